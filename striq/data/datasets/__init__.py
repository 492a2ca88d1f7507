"""Lists of frames with their plane, group and rating, read from the layouts data sets come in."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from striq.data.datasets.camus import NIFTI_SUFFIXES, OFFICIAL_SUFFIXES, frame_files, load_camus
from striq.data.datasets.generic import (
    GroupRule,
    find_list,
    load_flat,
    load_list,
    load_plane_folders,
    select_planes,
    split_by_depth,
)
from striq.data.datasets.us4qa import SCORES_FILE, attach_ratings, load_us4qa
from striq.errors import DatasetError
from striq.types import FrameRecord

__all__ = ["Layout", "load_dataset", "recognize_layout", "select_planes"]

logger = logging.getLogger(__name__)

Layout = Literal["camus_official", "camus_nifti", "us4qa", "planes", "flat", "csv"]


def load_dataset(
    root: str | Path,
    *,
    layout: Layout | Literal["auto"] = "auto",
    planes: Iterable[str] | None = None,
    rating_table: str | Path | None = None,
    plane: str | None = None,
    group_pattern: str | None = None,
) -> list[FrameRecord]:
    r"""List the frames of a data set, sorted by path; pixels are not read.

    Args:
        root: The data set's folder, or a CSV list with columns ``path,plane,group[,rating][,frame]``, or its folder.
        layout: How to read ``root``; ``"auto"`` asks :func:`recognize_layout` and logs the answer.
        planes: Names of the planes to keep; all where ``None``.
        rating_table: CSV of ratings: per patient for CAMUS (see ``camus.read_grades``), per file relative to
            ``root`` for folders (see ``us4qa.attach_ratings``).
        plane: The plane that a flat folder of images shows.
        group_pattern: Regular expression whose one pair of parentheses finds the group in a file name of a
            ``us4qa``, ``planes`` or ``flat`` layout: ``^(\d{3})_`` makes 007_HC.png and 007_2HC.png one fetus.

    Raises:
        DatasetError: If the data set is missing, empty, or not usable as given.
    """
    place = Path(root)
    if layout == "auto":
        layout = recognize_layout(place)
        logger.info("%s: recognized layout %r.", place, layout)
    if layout == "csv":
        place = find_list(place) or place
    _check_request(place, layout, rating_table, plane, group_pattern)
    table = None if rating_table is None else Path(rating_table)
    records = _load(place, layout, table, plane, GroupRule(group_pattern))
    records = select_planes(sorted(records, key=lambda record: (record.path, record.frame_index)), planes)
    groups, rated = len({record.group for record in records}), sum(record.rating is not None for record in records)
    logger.info("%s: %d frames of %d groups, %d of them rated.", place, len(records), groups, rated)
    return records


def recognize_layout(root: str | Path) -> Layout:
    """Name the layout of a data set by the first rule that fits, without reading images.

    1. A ``.csv`` file is a list of frames, and so is a folder with one whose columns are path, plane and group.
    2. ``patientNNNN/patientNNNN_{2CH,4CH}_{ED,ES}`` files are CAMUS: ``.mhd`` official, ``.nii.gz`` NIfTI.
    3. ``annotations/quality_scores.csv`` is US4QA.
    4. Folders with images below are planes; images directly in the folder are flat.

    Raises:
        DatasetError: If nothing fits, or two layouts of one rule do.
    """
    place = Path(root)
    if find_list(place) is not None:
        return "csv"
    if not place.is_dir():
        msg = f"{place}: no data set. Expected an existing folder or CSV list."
        raise DatasetError(msg)
    is_camus: dict[Layout, bool] = {
        "camus_official": bool(frame_files(place, OFFICIAL_SUFFIXES)),
        "camus_nifti": bool(frame_files(place, NIFTI_SUFFIXES)),
    }
    if any(is_camus.values()):
        return _only(is_camus, place)
    if (place / SCORES_FILE).is_file():
        return "us4qa"
    in_place, in_folders = split_by_depth(place)
    return _only({"planes": bool(in_folders), "flat": bool(in_place)}, place)


def _only(candidates: dict[Layout, bool], place: Path) -> Layout:
    calibration: list[Layout] = [layout for layout, fits in candidates.items() if fits]
    if not calibration:
        layouts = ", ".join(get_args(Layout))
        msg = f"{place}: the data set is empty: no images found. Expected one of the layouts {layouts}."
        raise DatasetError(msg)
    if len(calibration) > 1:
        msg = f"{place}: could be {' or '.join(calibration)}. Say which: layout='{calibration[0]}'."
        raise DatasetError(msg)
    return calibration[0]


def _check_request(place: Path, layout: str, table: object, plane: str | None, pattern: str | None) -> None:
    if layout not in get_args(Layout):
        msg = f"Unknown layout {layout!r}; expected auto, {', '.join(get_args(Layout))}."
        raise DatasetError(msg)
    if not (place.is_file() if layout == "csv" else place.is_dir()):
        msg = f"{place}: layout {layout!r} needs an existing {'CSV file' if layout == 'csv' else 'folder'}."
        raise DatasetError(msg)
    misplaced = {
        "rating_table": table is not None and layout == "csv",
        "plane": plane is not None and layout != "flat",
        "group_pattern": pattern is not None and layout not in ("us4qa", "planes", "flat"),
    }
    for name in (name for name, wrong in misplaced.items() if wrong):
        msg = f"{place}: {name!r} has no meaning for layout {layout!r}, which brings its own. Leave it out."
        raise DatasetError(msg)


def _load(root: Path, layout: Layout, table: Path | None, plane: str | None, rule: GroupRule) -> list[FrameRecord]:
    match layout:
        case "csv":
            return load_list(root)
        case "camus_official":
            return load_camus(root, OFFICIAL_SUFFIXES, table)
        case "camus_nifti":
            return load_camus(root, NIFTI_SUFFIXES, table)
        case "us4qa":
            return load_us4qa(root, rule, table)
    records = load_plane_folders(root, rule) if layout == "planes" else load_flat(root, plane, rule)
    return attach_ratings(records, root, table) if table else records
