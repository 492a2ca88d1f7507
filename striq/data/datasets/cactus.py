"""CACTUS data set (graded scans of a heart phantom) in its official layout.

Cite when using the data: Elmekki et al., "CACTUS: An open dataset and framework for automated Cardiac Assessment and
Classification of Ultrasound images using deep transfer learning", Computers in Biology and Medicine 2025. All scans
are of one phantom, so groups are recordings, not patients.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from striq.data.datasets.table import Row, read_rows, require_columns
from striq.errors import DatasetError
from striq.types import FrameRecord

PLANES = ("A4C", "PL", "PSAV", "PSMV", "SC")  # a sixth folder, Random, holds frames that show no plane
ARCHIVE, IMAGES, GRADES = "Cactus Dataset", "Images Dataset", "Grades"
COLUMNS = ("image_name", "grade")
RECORDING = re.compile(r"\d+_([A-Za-z]+\d+)(?![A-Za-z\d])")  # of 1_D15_frame_600_v2.jpg: behind the grade
UNKNOWN_RECORDING = "unknown_recording"

logger = logging.getLogger(__name__)


def find_cactus(root: Path) -> Path | None:
    """Return the folder with ``Images Dataset`` and ``Grades``: ``root`` or the archive's one below it, if any."""
    places = (root, root / ARCHIVE)
    return next((place for place in places if (place / IMAGES).is_dir() and (place / GRADES).is_dir()), None)


def load_cactus(root: Path) -> list[FrameRecord]:
    """List the frames of the five planes with their grades, 0 to 10; a group is a recording.

    Convention:
        - The recording is in the name behind the grade. Frames whose names state none are one group.
        - A recording has the same name in every plane, so all its frames stay on one side of a split.
        - Frames of the folder ``Random`` show no plane and are left out.

    Args:
        root: Folder with ``Images Dataset`` and ``Grades``, or the one above it.

    Raises:
        DatasetError: If a folder, a table, a column or an image is missing.
    """
    place = find_cactus(root)
    if place is None:
        msg = f"{root}: no folders {IMAGES!r} and {GRADES!r}. Unpack the whole archive."
        raise DatasetError(msg)
    records = [record for plane in PLANES for record in _frames_of(plane, place)]
    unnamed = sum(record.group == UNKNOWN_RECORDING for record in records)
    if unnamed:
        logger.warning("%s: the names of %d frames state no recording. They are one group.", place, unnamed)
    return records


def _frames_of(plane: str, place: Path) -> list[FrameRecord]:
    table, folder = place / GRADES / f"{plane}_grades.csv", place / IMAGES / plane
    rows = read_rows(table)
    require_columns(rows, COLUMNS, table)
    present = {file.name for file in folder.iterdir()} if folder.is_dir() else set[str]()
    return [_record(row, folder, plane, present) for row in rows]


def _record(row: Row, folder: Path, plane: str, present: set[str]) -> FrameRecord:
    name = row.text("image_name")
    if name not in present:
        msg = f"{row.where}: no image {IMAGES}/{plane}/{name}. Unpack the whole archive."
        raise DatasetError(msg)
    found = RECORDING.match(name)
    return FrameRecord(folder / name, plane, found[1] if found else UNKNOWN_RECORDING, rating=row.number("grade"))
