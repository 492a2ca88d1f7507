"""Search of a folder for files that may hold frames."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from striq.data.readers.annotations import is_annotation
from striq.data.readers.formats import known_suffix, may_hold_frames

# Thumbnails, deleted files and resource forks that storage devices and operating systems keep beside the data.
SYSTEM_FOLDERS = {
    "@eadir",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "__macosx",
    "lost+found",
    "system volume information",
}
MAX_EXAMINED = 1000  # files, before a folder counts as one that holds readable files


@dataclass(frozen=True)
class FolderScan:
    """What a search of a folder has found.

    Attributes:
        files: Files that may hold frames, and entries that cannot be read, sorted; opening the latter reports them.
        num_other: Number of files of other types.
        num_annotations: Number of masks and annotation pictures, recognized by their names.
    """

    files: list[Path]
    num_other: int
    num_annotations: int


def scan_folder(folder: Path) -> FolderScan:
    """Search a folder and its subfolders, linked ones included; no folder is searched twice.

    Convention:
        - Hidden files and folders (names that begin with a dot) and folders of the system, such as ``@eaDir`` and
          ``$RECYCLE.BIN``, are skipped.

    Args:
        folder: Folder to search, whatever its own name.
    """
    found: list[Path] = []
    num_other = 0
    unreadable: list[OSError] = []
    for path in _files(folder, unreadable):
        if _is_source(path):
            found.append(path)
        else:
            num_other += 1
    found.extend(Path(error.filename) for error in unreadable if error.filename)
    images = sorted(path for path in found if not is_annotation(path, folder, known_suffix(path)))
    return FolderScan(images, num_other, len(found) - len(images))


def may_hold_sources(folder: Path) -> bool:
    """Return whether a folder holds a file that may hold frames, or more files than can be examined at once."""
    unreadable: list[OSError] = []
    files = itertools.islice(_files(folder, unreadable), MAX_EXAMINED + 1)
    return any(number == MAX_EXAMINED or _is_source(path) for number, path in enumerate(files)) or bool(unreadable)


def _files(folder: Path, unreadable: list[OSError]) -> Iterator[Path]:
    """Yield the files of a folder and its subfolders; errors of those that cannot be read are added to a list."""
    searched = set[str]()
    for place, folders, names in os.walk(folder, onerror=unreadable.append, followlinks=True):
        real = os.path.realpath(place)
        if real in searched:
            folders.clear()
            continue
        searched.add(real)
        # Links last, so that a file is found under its own name where it has one.
        folders[:] = sorted(filter(_is_searched, folders), key=lambda name: (Path(place, name).is_symlink(), name))
        yield from (Path(place, name) for name in names if not name.startswith("."))


def _is_searched(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in SYSTEM_FOLDERS


def _is_source(path: Path) -> bool:
    """Return whether a file is to be opened; of one that cannot be read, its name decides."""
    try:
        if path.is_file():
            return may_hold_frames(path)
    except OSError:
        # Names of DICOM files often have no suffix, or end with a part of an identifier.
        return bool(known_suffix(path)) or not path.suffix or path.suffix[1:].isdigit()
    return path.is_symlink() and not path.exists() and bool(known_suffix(path))
