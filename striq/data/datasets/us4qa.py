"""US4QA layout: plane/exam/image, with quality scores in ``annotations/quality_scores.csv``."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from striq.data.datasets.generic import GroupRule, load_plane_folders
from striq.data.datasets.table import Row, read_rows
from striq.errors import DatasetError
from striq.types import FrameRecord

SCORES_FILE = Path("annotations") / "quality_scores.csv"
PATH_COLUMNS = ("path", "relative_path", "image_path", "file_path", "image", "filename", "file", "image_name")
PLANE_COLUMNS = ("plane", "view")
EXAM_COLUMNS = ("exam", "exam_id", "examination", "patient", "group")
RATING_COLUMNS = ("rating", "quality_score", "score", "quality", "mean_score", "mos")
RATER_COLUMN = re.compile(r"(rater|sonographer|annotator|rating|score)_?\d+")


def load_us4qa(root: Path, rule: GroupRule, rating_table: Path | None = None) -> list[FrameRecord]:
    """List the frames of a US4QA data set; the folder below a plane is the exam, which is the group.

    Args:
        root: Folder of the data set.
        rule: How groups follow from file names.
        rating_table: CSV of ratings; by default, the one of the data set.

    Raises:
        DatasetError: If the table of scores or an exam folder is missing, or the table is invalid.
    """
    table = rating_table or root / SCORES_FILE
    if not table.is_file():
        msg = f"{root}: no {SCORES_FILE.as_posix()}. For a data set without ratings use --layout planes."
        raise DatasetError(msg)
    records = load_plane_folders(root, rule)
    without_exam = [record.path for record in records if len(record.path.relative_to(root).parts) < 3]
    if without_exam and rule.pattern is None:
        msg = f"{without_exam[0]}: no exam folder. Expected plane/exam/image, or --group-pattern for the file names."
        raise DatasetError(msg)
    return attach_ratings(records, root, table)


def attach_ratings(records: list[FrameRecord], root: Path, table: Path) -> list[FrameRecord]:
    """Return the records with the ratings of a table; frames that are not in the table have no rating.

    Convention:
        - Column names are compared in lower case, with ``_`` for spaces and hyphens.
        - The file is in the first of ``PATH_COLUMNS`` that exists, as a path relative to ``root``. If it is a name
          without folders and the table has a plane column and an exam column, the path is plane/exam/name.
        - The rating is in the first of ``RATING_COLUMNS`` that exists, or else the mean of the columns ``rater_1``,
          ``rater_2`` and so on.

    Args:
        records: Frames of the data set.
        root: Folder of the data set.
        table: CSV of ratings.

    Raises:
        DatasetError: If a column is missing, a file does not exist or is listed twice, or a rating is not a number.
    """
    rows = read_rows(table)
    columns = rating_columns(rows, table)
    by_path = {record.path.relative_to(root).as_posix(): record for record in records}
    ratings: dict[str, float | None] = {}
    for row in rows:
        name = _relative_name(row, table)
        if name not in by_path:
            msg = f"{row.where}: no image {name!r} below {root}. Expected a path like {next(iter(by_path))!r}."
            raise DatasetError(msg)
        if name in ratings:
            msg = f"{row.where}: {name!r} is listed twice. Remove one of the rows."
            raise DatasetError(msg)
        ratings[name] = mean_rating(row, columns)
    return [replace(record, rating=ratings.get(name)) for name, record in by_path.items()]


def first_column(names: tuple[str, ...], row: Row) -> str | None:
    """Return the first of some columns that a table has, if any."""
    return next((name for name in names if name in row.cells), None)


def _relative_name(row: Row, table: Path) -> str:
    column = first_column(PATH_COLUMNS, row)
    if column is None:
        expected = ", ".join(PATH_COLUMNS)
        msg = f"{table}: no column with file paths. Expected one of {expected}; got {', '.join(row.cells)}."
        raise DatasetError(msg)
    name = row.text(column).replace("\\", "/").removeprefix("./")
    plane, exam = first_column(PLANE_COLUMNS, row), first_column(EXAM_COLUMNS, row)
    if "/" not in name and plane and exam:
        return f"{row.text(plane)}/{row.text(exam)}/{name}"
    return name


def rating_columns(rows: list[Row], table: Path) -> list[str]:
    """Return the columns that hold the ratings of a table: one of ``RATING_COLUMNS``, or one per rater.

    Raises:
        DatasetError: If there is none.
    """
    single = first_column(RATING_COLUMNS, rows[0])
    columns = [single] if single else [name for name in rows[0].cells if RATER_COLUMN.fullmatch(name)]
    if not columns:
        expected = f"{', '.join(RATING_COLUMNS)}, or rater_1, rater_2, ..."
        msg = f"{table}: no column with ratings. Expected one of {expected}; got {', '.join(rows[0].cells)}."
        raise DatasetError(msg)
    return columns


def mean_rating(row: Row, columns: list[str]) -> float | None:
    """Return the mean of the ratings in a row, ``None`` if it has none."""
    ratings = [value for value in map(row.number, columns) if value is not None]
    return sum(ratings) / len(ratings) if ratings else None
