"""Generic data-set layouts: a folder per plane, one flat folder, or a CSV list of frames."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from striq.data.datasets.table import column_name, read_rows, require_columns
from striq.data.readers import find_sources
from striq.data.readers.formats import known_suffix
from striq.errors import DatasetError
from striq.types import FrameRecord

LIST_COLUMNS = ("path", "plane", "group")
NOT_PLANES = ("annotations", "__MACOSX")  # folders that contain tables or files left by an archiver


def images_below(root: Path) -> list[Path]:
    """Return the files below ``root`` that may hold frames, sorted."""
    return [path for path in find_sources([root]) if path.is_file()]


def split_by_depth(root: Path) -> tuple[list[Path], list[Path]]:
    """Return the images directly in ``root``, and the images in subfolders that may be planes."""
    images = images_below(root)
    in_folders = [path for path in images if path.parent != root and _plane(path, root) not in NOT_PLANES]
    return [path for path in images if path.parent == root], in_folders


@dataclass(frozen=True)
class GroupRule:
    """Rule that derives the group of a file from its name or folder.

    Convention:
        - With a pattern, the group is the text that its one pair of parentheses matches in the file name
          (``re.search``).
        - Without a pattern, the group is the first folder below the plane, or the file name without suffix if there is
          no such folder.
        - The same group name under two planes means the same group, so that a patient with both planes stays on one
          side of a split.

    Attributes:
        pattern: Regular expression with one pair of parentheses, or ``None``.

    Raises:
        DatasetError: If the pattern is invalid or does not have one pair of parentheses.
    """

    pattern: str | None = None

    def __post_init__(self) -> None:
        if self.pattern is None:
            return
        try:
            count = re.compile(self.pattern).groups
        except re.error as error:
            msg = f"Group pattern {self.pattern!r} is not a valid regular expression: {error}."
            raise DatasetError(msg) from error
        if count != 1:
            msg = (
                f"Group pattern {self.pattern!r} must have one pair of parentheses, got {count}. Example: ^(\\d{{3}})_"
            )
            raise DatasetError(msg)

    def group(self, path: Path, plane_folder: Path) -> str:
        """Return the group of a file.

        Args:
            path: File below ``plane_folder``.
            plane_folder: Folder of the file's plane.

        Raises:
            DatasetError: If the file name does not match the pattern.
        """
        if self.pattern is None:
            parts = path.relative_to(plane_folder).parts
            return parts[0] if len(parts) > 1 else _stem(path)
        match = re.search(self.pattern, path.name)
        if match is None or not match[1]:
            msg = f"{path}: the file name does not match the group pattern {self.pattern!r}. Change the pattern."
            raise DatasetError(msg)
        return match[1]


def load_plane_folders(root: Path, rule: GroupRule) -> list[FrameRecord]:
    """List the frames of a data set with one folder per plane, named like the plane.

    Only frame 0 of every file is listed. To use other frames of a cine, list them in a CSV.

    Args:
        root: Folder of the data set.
        rule: How groups follow from file names.

    Raises:
        DatasetError: If no folder below ``root`` holds images, or a file name does not match the group pattern.
    """
    _, images = split_by_depth(root)
    if not images:
        msg = f"{root}: no images. Expected one folder per plane with images in it."
        raise DatasetError(msg)
    return [FrameRecord(path, _plane(path, root), rule.group(path, root / _plane(path, root))) for path in images]


def load_flat(root: Path, plane: str | None, rule: GroupRule) -> list[FrameRecord]:
    """List the images directly in a folder, which all show the given plane.

    Args:
        root: Folder of the data set.
        plane: Name of the plane.
        rule: How groups follow from file names.

    Raises:
        DatasetError: If no plane is named, there are no images, or a file name does not match the group pattern.
    """
    if not plane:
        msg = (
            f"{root}: a flat folder of images does not state which plane they show. Name the one plane: --planes NAME, "
            "in Python plane='NAME'."
        )
        raise DatasetError(msg)
    images, _ = split_by_depth(root)
    if not images:
        msg = f"{root}: no images. Expected images in the folder itself."
        raise DatasetError(msg)
    return [FrameRecord(path, plane, rule.group(path, root)) for path in images]


def find_list(place: Path) -> Path | None:
    """Return ``place`` if it is a CSV file, or the only CSV list in the folder ``place``; ``None`` if there is none."""
    if place.is_file() and place.suffix.lower() == ".csv":
        return place
    lists = [path for path in sorted(place.glob("*.csv")) if set(LIST_COLUMNS) <= set(_header(path))]
    return lists[0] if len(lists) == 1 else None


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        return [column_name(cell) for cell in next(csv.reader(stream), [])]


def load_list(path: Path, *, grouped: bool = True) -> list[FrameRecord]:
    """List the frames in a CSV with the columns ``path,plane,group[,rating][,frame]``.

    Paths are relative to the folder of the CSV; ``frame`` counts from 0. Other columns are ignored.

    Args:
        path: CSV list.
        grouped: False for frames that are never split: without the column ``group``, each file is its own group.

    Raises:
        DatasetError: If columns or files are missing, a cell is invalid, a frame is listed twice, or a file is
            assigned to two groups.
    """
    rows = read_rows(path)
    require_columns(rows, LIST_COLUMNS if grouped else LIST_COLUMNS[:2], path)
    groups: dict[Path, str] = {}
    frames: set[tuple[Path, int]] = set()
    records: list[FrameRecord] = []
    for row in rows:
        file = path.parent / row.text("path").replace("\\", "/")  # an absolute path is not changed by this
        if not file.is_file():
            msg = f"{row.where}: no file {file}. Paths must be absolute or relative to the folder of the CSV."
            raise DatasetError(msg)
        index = row.count("frame") if "frame" in row.cells else 0
        rating = row.number("rating") if "rating" in row.cells else None
        group = row.text("group") if grouped or "group" in row.cells else _stem(file)
        record = FrameRecord(file, row.text("plane"), group, index, rating)
        identity = (file.resolve(), index)
        if identity in frames:
            msg = f"{row.where}: frame {index} of {file.name} is listed twice. Remove one of the rows."
            raise DatasetError(msg)
        frames.add(identity)
        if groups.setdefault(identity[0], record.group) != record.group:
            other = groups[identity[0]]
            msg = (
                f"{row.where}: {file.name} is in group {record.group!r} here and in {other!r} above. "
                "A file must be in one group."
            )
            raise DatasetError(msg)
        records.append(record)
    return records


def select_planes(records: list[FrameRecord], planes: Iterable[str] | None) -> list[FrameRecord]:
    """Return the records of the named planes, or all records if ``planes`` is ``None``.

    Raises:
        DatasetError: If a plane is not in the data set, or none is named.
    """
    if planes is None:
        return records
    names = (planes,) if isinstance(planes, str) else tuple(planes)
    present = sorted({record.plane for record in records})
    unknown = [name for name in names if name not in present]
    if unknown or not names:
        listed = ", ".join(map(repr, unknown)) or "none named"
        msg = (
            f"No such plane in the data set: {listed}; it has: {', '.join(present)}. Name some of these: "
            "--planes NAME, once for each."
        )
        raise DatasetError(msg)
    return [record for record in records if record.plane in names]


def _plane(path: Path, root: Path) -> str:
    return path.relative_to(root).parts[0]


def _stem(path: Path) -> str:
    # ``path.stem`` would cut off the last part of a DICOM UID used as a file name.
    return path.name[: len(path.name) - len(known_suffix(path))]
