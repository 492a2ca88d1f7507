"""Data sets of any origin: a folder per plane, one flat folder, or a CSV list of frames."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from striq.data.datasets.table import column_name, read_rows, require_columns
from striq.data.readers import find_sources
from striq.data.readers.dispatch import FORMAT_OF_SUFFIX
from striq.errors import DatasetError
from striq.types import FrameRecord

LIST_COLUMNS = ("path", "plane", "group")
NOT_PLANES = ("annotations", "__MACOSX")  # folders beside the planes that hold tables or an archiver's leftovers


def images_below(root: Path) -> list[Path]:
    """Return the files below ``root`` that may hold frames, sorted, without those in hidden folders."""
    files = (path for path in find_sources([root]) if path.is_file())
    return [path for path in files if not any(part.startswith(".") for part in path.relative_to(root).parts)]


def split_by_depth(root: Path) -> tuple[list[Path], list[Path]]:
    """Return the images directly in ``root``, and those below its folders that may be planes."""
    images = images_below(root)
    in_folders = [path for path in images if path.parent != root and _plane(path, root) not in NOT_PLANES]
    return [path for path in images if path.parent == root], in_folders


@dataclass(frozen=True)
class GroupRule:
    """How the group of a file follows from its name.

    Convention:
        - With a pattern, the group is what its one pair of parentheses finds in the file name (``re.search``).
        - Without, it is the first folder below the plane, or, for files without one, the name without suffix.
        - The same group name below two planes is one group: a patient seen in both stays on one side of a split.
    """

    pattern: str | None = None

    def __post_init__(self) -> None:
        if self.pattern is None:
            return
        try:
            count = re.compile(self.pattern).groups
        except re.error as error:
            msg = f"Group pattern {self.pattern!r} is no regular expression: {error}."
            raise DatasetError(msg) from error
        if count != 1:
            msg = (
                f"Group pattern {self.pattern!r} must have one pair of parentheses, got {count}. Example: ^(\\d{{3}})_"
            )
            raise DatasetError(msg)

    def group(self, path: Path, plane_folder: Path) -> str:
        """Return the group of one file below the folder of its plane."""
        if self.pattern is None:
            below = path.relative_to(plane_folder).parts
            return below[0] if len(below) > 1 else _stem(path)
        found = re.search(self.pattern, path.name)
        if found is None or not found[1]:
            msg = f"{path}: the file name does not match the group pattern {self.pattern!r}. Change the pattern."
            raise DatasetError(msg)
        return found[1]


def load_plane_folders(root: Path, rule: GroupRule) -> list[FrameRecord]:
    """List a data set with one folder per plane; the folder names are the plane names.

    Every file is one record of its frame 0; list a cine's other frames in a CSV.

    Raises:
        DatasetError: If no folder below ``root`` holds images, or a file name does not match the group pattern.
    """
    _, images = split_by_depth(root)
    if not images:
        msg = f"{root}: no images. Expected a folder per plane with images below."
        raise DatasetError(msg)
    return [FrameRecord(path, _plane(path, root), rule.group(path, root / _plane(path, root))) for path in images]


def load_flat(root: Path, plane: str | None, rule: GroupRule) -> list[FrameRecord]:
    """List the images directly in a folder, all of them of one plane that the caller names.

    Raises:
        DatasetError: If no plane is named, there are no images, or a file name does not match the group pattern.
    """
    if not plane:
        msg = f"{root}: a folder of images does not say which plane they show. Name it: plane='...'."
        raise DatasetError(msg)
    images, _ = split_by_depth(root)
    if not images:
        msg = f"{root}: no images. Expected images in the folder itself."
        raise DatasetError(msg)
    return [FrameRecord(path, plane, rule.group(path, root)) for path in images]


def find_list(place: Path) -> Path | None:
    """Return the CSV list that a place is, or the only one that lies in a folder; ``None`` if there is none."""
    if place.is_file() and place.suffix.lower() == ".csv":
        return place
    found = [path for path in sorted(place.glob("*.csv")) if set(LIST_COLUMNS) <= set(_header(path))]
    return found[0] if len(found) == 1 else None


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        return [column_name(cell) for cell in next(csv.reader(stream), [])]


def load_list(path: Path) -> list[FrameRecord]:
    """List the frames that a CSV with columns ``path,plane,group[,rating][,frame]`` names.

    Relative paths start at the CSV's folder; ``frame`` counts from 0. Other columns are ignored.

    Raises:
        DatasetError: If columns or files are missing, a cell is unusable, a frame stands there twice, or one
            file is said to belong to two groups.
    """
    rows = read_rows(path)
    require_columns(rows, LIST_COLUMNS, path)
    groups: dict[Path, str] = {}
    frames: set[tuple[Path, int]] = set()
    records = []
    for row in rows:
        file = path.parent / row.text("path").replace("\\", "/")  # an absolute path stays as it is
        if not file.is_file():
            msg = f"{row.where}: no file {file}. Relative paths start at the folder of the CSV."
            raise DatasetError(msg)
        index = row.count("frame") if "frame" in row.cells else 0
        rating = row.number("rating") if "rating" in row.cells else None
        record = FrameRecord(file, row.text("plane"), row.text("group"), index, rating)
        identity = (file.resolve(), index)
        if identity in frames:
            msg = f"{row.where}: frame {index} of {file.name} is listed twice. Remove one of the rows."
            raise DatasetError(msg)
        frames.add(identity)
        if groups.setdefault(identity[0], record.group) != record.group:
            other = groups[identity[0]]
            msg = (
                f"{row.where}: {file.name} is of group {record.group!r} here and of {other!r} above. One file has one."
            )
            raise DatasetError(msg)
        records.append(record)
    return records


def select_planes(records: list[FrameRecord], planes: Iterable[str] | None) -> list[FrameRecord]:
    """Return the records of the named planes; ``None`` keeps all.

    Raises:
        DatasetError: If a plane is not in the data set, or none is named.
    """
    if planes is None:
        return records
    wanted = (planes,) if isinstance(planes, str) else tuple(planes)
    present = sorted({record.plane for record in records})
    unknown = [name for name in wanted if name not in present]
    if unknown or not wanted:
        named = ", ".join(map(repr, unknown)) or "none named"
        msg = f"No such plane in the data set: {named}; it has: {', '.join(present)}."
        raise DatasetError(msg)
    return [record for record in records if record.plane in wanted]


def _plane(path: Path, root: Path) -> str:
    return path.relative_to(root).parts[0]


def _stem(path: Path) -> str:
    # A DICOM file may be named by its UID, whose dots start no suffix.
    suffix = next((suffix for suffix in FORMAT_OF_SUFFIX if path.name.lower().endswith(suffix)), "")
    return path.name[: len(path.name) - len(suffix)]
