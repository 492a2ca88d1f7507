"""Data sets: lists of frames with plane, group and rating, read from several folder layouts."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from striq.data.datasets.acouslic import SWEEPS, load_acouslic
from striq.data.datasets.cactus import find_cactus, load_cactus
from striq.data.datasets.camus import NIFTI_SUFFIXES, OFFICIAL_SUFFIXES, frame_files, load_camus
from striq.data.datasets.fetal_planes import TABLE as FETAL_PLANES_TABLE
from striq.data.datasets.fetal_planes import load_fetal_planes
from striq.data.datasets.generic import (
    GroupRule,
    find_list,
    load_flat,
    load_list,
    load_plane_folders,
    select_planes,
    split_by_depth,
)
from striq.data.datasets.hc18 import hc18_files, load_hc18
from striq.data.datasets.us4qa import SCORES_FILE, attach_ratings, load_us4qa
from striq.data.layouts import LAYOUTS, Layout
from striq.errors import DatasetError
from striq.plane_names import RULE, is_plane_name
from striq.types import FrameRecord

__all__ = ["Layout", "load_dataset", "recognize_layout", "select_planes"]

GROUPED_BY_NAME: tuple[Layout, ...] = ("us4qa", "planes", "flat")  # layouts whose groups a pattern may state

logger = logging.getLogger(__name__)


def load_dataset(
    root: str | Path,
    *,
    layout: Layout | Literal["auto"] = "auto",
    planes: Iterable[str] | None = None,
    rating_table: str | Path | None = None,
    plane: str | None = None,
    group_pattern: str | None = None,
) -> list[FrameRecord]:
    r"""List the frames of a data set, sorted by path, without reading pixels.

    Args:
        root: Folder of the data set, or a CSV list with columns ``path,plane,group[,rating][,frame]`` or its folder.
        layout: Layout of ``root``; with ``"auto"``, :func:`recognize_layout` determines it and it is logged.
        planes: Names of the planes to use; all if ``None``.
        rating_table: CSV of ratings, per patient for CAMUS (see ``camus.read_grades``), per file relative to ``root``
            for folders of images (see ``us4qa.attach_ratings``).
        plane: Plane that a flat folder of images shows.
        group_pattern: Regular expression whose one pair of parentheses matches the group in a file name, for the
            layouts ``us4qa``, ``planes`` and ``flat``. With ``^(\d{3})_``, 007_HC.png and 007_2HC.png are one group.

    Raises:
        DatasetError: If the data set is missing, empty, or invalid, or a plane has a name that it may not have.
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
    _check_names(place, records)
    _hint_at_groups(place, records, layout, group_pattern)
    groups, rated = len({record.group for record in records}), sum(record.rating is not None for record in records)
    logger.info("%s: %d frames of %d groups, %d of them rated.", place, len(records), groups, rated)
    return records


def _check_names(place: Path, records: list[FrameRecord]) -> None:
    """Check the names of planes, which become parts of file names."""
    for name in sorted({record.plane for record in records}):
        if not is_plane_name(name):
            msg = f"{place}: {name!r} cannot be the name of a plane. Expected {RULE}. Rename it."
            raise DatasetError(msg)


def _hint_at_groups(place: Path, records: list[FrameRecord], layout: str, pattern: str | None) -> None:
    """Say how to state groups where each frame is taken for a group of its own."""
    is_grouped = len({record.group for record in records}) < len(records)
    if layout in GROUPED_BY_NAME and pattern is None and not is_grouped and len(records) > 1:
        logger.warning(
            "%s: each of the %d frames is its own group, as if no two were of one patient. If some are, scores of "
            "unseen frames are too high. Put the frames of a patient into one folder below the plane, or give "
            "--group-pattern: with '^(\\d{3})_', 007_1.png and 007_2.png are one group.",
            place,
            len(records),
        )


def recognize_layout(root: str | Path) -> Layout:
    """Return the layout of a data set by the first rule that applies, without reading images.

    1. A ``.csv`` file, or a folder with exactly one CSV file with columns path, plane and group, is ``csv``.
    2. Files ``patientNNNN/patientNNNN_{2CH,4CH}_{ED,ES}`` are CAMUS: official if ``.mhd``, NIfTI if ``.nii.gz``.
    3. A folder with ``annotations/quality_scores.csv`` is ``us4qa``, with ``training_set/000_HC.png`` and the like
       ``hc18``, with ``FETAL_PLANES_DB_data.csv`` ``fetal_planes_db``, with ``images/stacked_fetal_ultrasound``
       ``acouslic``, with ``Images Dataset`` and ``Grades`` ``cactus``.
    4. Images in subfolders are ``planes``; images directly in the folder are ``flat``.

    Raises:
        DatasetError: If no rule applies, or a rule applies for two layouts.
    """
    place = Path(root)
    if find_list(place) is not None:
        return "csv"
    if not place.is_dir():
        msg = f"{place}: no such data set. Expected an existing folder or CSV list."
        raise DatasetError(msg)
    is_camus: dict[Layout, bool] = {
        "camus_official": bool(frame_files(place, OFFICIAL_SUFFIXES)),
        "camus_nifti": bool(frame_files(place, NIFTI_SUFFIXES)),
    }
    if any(is_camus.values()):
        return _only(is_camus, place)
    published: dict[Layout, bool] = {
        "us4qa": (place / SCORES_FILE).is_file(),
        "hc18": bool(hc18_files(place)),
        "fetal_planes_db": (place / FETAL_PLANES_TABLE).is_file(),
        "acouslic": (place / SWEEPS).is_dir(),
        "cactus": find_cactus(place) is not None,
    }
    if any(published.values()):
        return _only(published, place)
    in_root, in_folders = split_by_depth(place)
    return _only({"planes": bool(in_folders), "flat": bool(in_root)}, place)


def _only(candidates: dict[Layout, bool], place: Path) -> Layout:
    """Return the one layout that fits.

    Raises:
        DatasetError: If none or several fit.
    """
    fitting: list[Layout] = [layout for layout, fits in candidates.items() if fits]
    if not fitting:
        layouts = ", ".join(get_args(Layout))
        msg = f"{place}: the data set is empty: no images found. Expected one of the layouts {layouts}."
        raise DatasetError(msg)
    if len(fitting) > 1:
        msg = (
            f"{place}: the layout is ambiguous: {' or '.join(fitting)}. State it: --layout {fitting[0]}, in Python "
            f"layout='{fitting[0]}'."
        )
        raise DatasetError(msg)
    return fitting[0]


def _check_request(place: Path, layout: str, table: object, plane: str | None, pattern: str | None) -> None:
    if layout not in get_args(Layout):
        msg = f"Unknown layout {layout!r}; expected one of {', '.join(LAYOUTS)}."
        raise DatasetError(msg)
    if not (place.is_file() if layout == "csv" else place.is_dir()):
        msg = f"{place}: layout {layout!r} needs an existing {'CSV file' if layout == 'csv' else 'folder'}."
        raise DatasetError(msg)
    misplaced = {
        "--rating-table": table is not None and layout in ("csv", "acouslic", "cactus"),
        "plane": plane is not None and layout != "flat",
        "--group-pattern": pattern is not None and layout not in GROUPED_BY_NAME,
    }
    for name in (name for name, is_misplaced in misplaced.items() if is_misplaced):
        msg = f"{place}: {name} cannot be used with layout {layout!r}, which defines it itself. Leave it out."
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
        case "acouslic":
            return load_acouslic(root)
        case "cactus":
            return load_cactus(root)
        case "hc18":
            records = load_hc18(root)
        case "fetal_planes_db":
            records = load_fetal_planes(root)
        case "planes":
            records = load_plane_folders(root, rule)
        case "flat":
            records = load_flat(root, plane, rule)
    return attach_ratings(records, root, table) if table else records
