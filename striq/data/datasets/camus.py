"""CAMUS data set (apical two- and four-chamber views) in its official layout and in its NIfTI layout.

Cite when using the data: Leclerc et al., "Deep Learning for Segmentation using an Open Large-Scale Dataset in 2D
Echocardiography", IEEE TMI 2019.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from striq.data.datasets.table import Row, read_rows, require_columns
from striq.errors import DatasetError
from striq.types import FrameRecord

logger = logging.getLogger(__name__)

PLANE_OF_VIEW = {"2CH": "A2C", "4CH": "A4C"}
RATING_OF_GRADE = {"poor": 0.0, "medium": 1.0, "good": 2.0}
OFFICIAL_SUFFIXES = (".mhd",)
NIFTI_SUFFIXES = (".nii.gz", ".nii")
# Matches whole names, which excludes _gt (segmentations), _sequence and _half_sequence (cines).
FRAME_NAME = re.compile(r"(patient\d+)_(2CH|4CH)_(ED|ES)(\.mhd|\.nii\.gz|\.nii)")
PARENT_FOLDERS = (".", "database_nifti", "training", "testing")


def frame_files(root: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files of the end-diastolic and end-systolic frames of all patients below ``root``, sorted."""
    parents = [root / name for name in PARENT_FOLDERS if (root / name).is_dir()]
    files = (file for parent in parents for file in parent.glob("patient*/*"))
    return sorted(file for file in files if _is_frame(file, suffixes))


def load_camus(root: Path, suffixes: tuple[str, ...], rating_table: Path | None = None) -> list[FrameRecord]:
    """List the frames of a CAMUS data set: planes ``A2C`` and ``A4C``, one group per patient, ratings 0, 1 and 2.

    The rating of a frame is the ``ImageQuality`` (Poor, Medium, Good) in the ``Info_*.cfg`` file of its view. If there
    is no such file, it is read from ``rating_table``; if the patient is not in the table, the frame has no rating.

    Args:
        root: Folder that contains the ``patientNNNN`` folders or ``database_nifti``.
        suffixes: ``OFFICIAL_SUFFIXES`` or ``NIFTI_SUFFIXES``.
        rating_table: CSV with a column ``patient`` and grades, see :func:`read_grades`.

    Raises:
        DatasetError: If there are no frames, a grade is unknown, or the table has none of the patients.
    """
    files = frame_files(root, suffixes)
    if not files:
        msg = f"{root}: no frames. Expected files such as patientNNNN/patientNNNN_2CH_ED{suffixes[0]}."
        raise DatasetError(msg)
    without_info = [file for file in files if not _info(file).is_file()]
    grades = _grades(without_info, rating_table) if rating_table and without_info else {}
    if rating_table and not without_info:
        logger.info("%s: not used, because every frame has a grade in its Info file.", rating_table)
    return [_record(file, grades) for file in files]


def read_grades(table: Path, view: str) -> dict[str, float]:
    """Read the ratings of one view from a CSV with one row per patient.

    The grades are read from the first column that exists: ``image_quality_<view>``, ``image_quality``, ``rating``, or
    the column of the other view. Using the grades of the other view logs a warning.

    Args:
        table: CSV with a column ``patient`` and grades.
        view: ``2CH`` or ``4CH``.

    Returns:
        Rating of each patient.

    Raises:
        DatasetError: If a column is missing, a patient is listed twice, or a grade is unknown.
    """
    rows = read_rows(table)
    require_columns(rows, ("patient",), table)
    column = _grade_column(rows, view, table)
    ratings: dict[str, float] = {}
    for row in rows:
        patient = row.text("patient")
        if patient in ratings:
            msg = f"{row.where}: {patient!r} is listed twice. Remove one of the rows."
            raise DatasetError(msg)
        ratings[patient] = _rating(row.text(column), row.where)
    return ratings


def _is_frame(file: Path, suffixes: tuple[str, ...]) -> bool:
    match = FRAME_NAME.fullmatch(file.name)
    return match is not None and match[4] in suffixes and match[1] == file.parent.name and file.is_file()


def _patient_and_view(file: Path) -> tuple[str, str]:
    patient, view, _ = file.name.split("_")
    return patient, view


def _info(file: Path) -> Path:
    return file.parent / f"Info_{_patient_and_view(file)[1]}.cfg"


def _grades(files: list[Path], table: Path) -> dict[tuple[str, str], float]:
    """Return the rating of each ``(patient, view)`` in a table, which must contain at least one of the files."""
    in_data_set = {_patient_and_view(file) for file in files}
    views = sorted({view for _, view in in_data_set})
    grades = {(patient, view): rating for view in views for patient, rating in read_grades(table, view).items()}
    if not in_data_set & grades.keys():
        msg = f"{table}: none of its patients is in the data set. Expected names like {min(in_data_set)[0]!r}."
        raise DatasetError(msg)
    return grades


def _record(file: Path, grades: dict[tuple[str, str], float]) -> FrameRecord:
    patient, view = _patient_and_view(file)
    info = _info(file)
    rating = _rating_of_info(info) if info.is_file() else grades.get((patient, view))
    return FrameRecord(file, PLANE_OF_VIEW[view], patient, rating=rating)


def _rating_of_info(info: Path) -> float:
    text = info.read_text(encoding="utf-8", errors="replace")
    match = re.search(r"^\s*ImageQuality\s*:\s*(\S*)", text, flags=re.MULTILINE)
    if match is None:
        msg = f"{info}: no line 'ImageQuality: ...'. Restore the file, or remove it to leave its frames unrated."
        raise DatasetError(msg)
    return _rating(match[1], str(info))


def _rating(grade: str, where: str) -> float:
    """Return the rating of a grade, which is a word or one of the numbers 0, 1 and 2."""
    ratings = RATING_OF_GRADE | {f"{rating:g}": rating for rating in RATING_OF_GRADE.values()}
    if grade.lower() not in ratings:
        msg = f"{where}: expected the grade Poor, Medium or Good (or 0, 1, 2), got {grade!r}."
        raise DatasetError(msg)
    return ratings[grade.lower()]


def _grade_column(rows: list[Row], view: str, table: Path) -> str:
    of_view = f"image_quality_{view.lower()}"
    others = [f"image_quality_{other.lower()}" for other in PLANE_OF_VIEW if other != view]
    column = next((name for name in (of_view, "image_quality", "rating", *others) if name in rows[0].cells), None)
    if column is None:
        present = ", ".join(rows[0].cells)
        msg = f"{table}: no column with grades. Expected {of_view} or rating; the table has: {present}."
        raise DatasetError(msg)
    if column in others:
        logger.warning("%s: the frames of %s get the grades of another view, in column %s.", table, view, column)
    return column
