"""Boxes of structures that a person, or the phantom, has marked in frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from striq.data.datasets.table import read_rows, require_columns
from striq.data.loading import read_frame
from striq.data.preprocessing import Box, crop_and_prepare
from striq.errors import DatasetError
from striq.types import FrameRecord

BOX_COLUMNS = ("image", "structure", "top", "left", "bottom", "right")
FOLDERS = (".", "images")  # below the table, in which its images are looked for


@dataclass(frozen=True)
class StructureBox:
    """A marked structure; the box is (top, left, bottom, right) in fractions of the prepared frame."""

    structure: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class MarkedBoxes:
    """A table of boxes.

    Attributes:
        path: The table.
        by_file: Marked structures of each file, resolved: name and box in pixels.
    """

    path: Path
    by_file: Mapping[Path, Sequence[tuple[str, Box]]]

    def of_frames(self, records: Sequence[FrameRecord], size: tuple[int, int]) -> tuple[tuple[StructureBox, ...], ...]:
        """Return the boxes of frames on their prepared images; frames that are not in the table have none.

        Args:
            records: The frames.
            size: Rows and columns of a prepared frame.
        """
        return tuple(self._of_frame(record, size) for record in records)

    def _of_frame(self, record: FrameRecord, size: tuple[int, int]) -> tuple[StructureBox, ...]:
        marked = self.by_file.get(record.path.resolve(), ())
        if not marked:
            return ()
        _, crop = crop_and_prepare(read_frame(record), size)
        return tuple(StructureBox(name, _within(box, crop)) for name, box in marked)


def read_boxes(path: Path) -> MarkedBoxes:
    """Read a CSV with the columns ``image,structure,top,left,bottom,right``, boxes in pixels.

    Images are named relative to the folder of the CSV, or to the folder ``images`` in it.

    Raises:
        DatasetError: If a column is missing, or a cell is not a number.
    """
    rows = read_rows(path)
    require_columns(rows, BOX_COLUMNS, path)
    found: dict[Path, list[tuple[str, Box]]] = {}
    for row in rows:
        name = row.text("image").replace("\\", "/")
        places = [(path.parent / folder / name).resolve() for folder in FOLDERS]
        file = next((place for place in places if place.is_file()), places[0])
        top, left, bottom, right = (round(row.number(column) or 0.0) for column in BOX_COLUMNS[2:])
        if bottom <= top or right <= left:
            msg = f"{row.where}: the box is empty: rows {top} to {bottom}, columns {left} to {right}. Correct it."
            raise DatasetError(msg)
        found.setdefault(file, []).append((row.text("structure"), (top, left, bottom, right)))
    return MarkedBoxes(path, found)


def _within(box: Box, crop: Box) -> tuple[float, float, float, float]:
    """Return a box in pixels of the frame as fractions of its crop."""
    height, width = crop[2] - crop[0], crop[3] - crop[1]
    return (
        (box[0] - crop[0]) / height,
        (box[1] - crop[1]) / width,
        (box[2] - crop[0]) / height,
        (box[3] - crop[1]) / width,
    )
