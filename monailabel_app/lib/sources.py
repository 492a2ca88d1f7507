"""Files of an image in a datastore, and a stamp that shows whether they have changed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pydicom

MARKER_AT, MARKER = 128, b"DICM"


def image_files(path: str | Path) -> list[Path]:
    """Return the files of an image: the file itself, or those of a DICOM series in order of instance number.

    Args:
        path: A file, or a folder that holds one series.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    files = (file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    return sorted(files, key=lambda file: (_instance_number(file), file.name))


def may_be_named(image: str, folders: list[str]) -> bool:
    """Return whether a request may name an image: an identifier, or a path that the server itself has made.

    MONAI Label takes any existing path as an image. This keeps requests from reading other files of the machine.

    Args:
        image: What the request names.
        folders: Folder of the datastore and that of sessions.
    """
    path = Path(image)
    if not _exists(path):
        return True  # an identifier, which MONAI Label looks up
    if not path.is_absolute():
        return False
    real = path.resolve()
    if any(real.is_relative_to(Path(folder).resolve()) for folder in folders if folder and Path(folder).is_dir()):
        return True
    temporary = Path(tempfile.gettempdir()).resolve()
    # An upload is a temporary file of the server, and no other user's.
    is_upload = real.parent == temporary and real.name.startswith(tempfile.gettempprefix()) and real.is_file()
    return is_upload and (os.name == "nt" or real.stat().st_uid == os.getuid())


def stamp(path: str | Path) -> str:
    """Return a text that changes when the file, or a file of the folder, is replaced; empty if there is no file."""
    files = sorted(file for file in image_files(path) if file.is_file()) if Path(path).exists() else []
    states = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return " ".join(f"{size}-{time_ns}" for size, time_ns in states)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # no name of a file: too long, or with characters that none has
        return False


def _instance_number(file: Path) -> int:
    with file.open("rb") as stream:
        stream.seek(MARKER_AT)
        if stream.read(len(MARKER)) != MARKER:
            return 0
    try:
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["InstanceNumber"])
        return int(header.get("InstanceNumber") or 0)
    except Exception:  # a damaged file is reported when it is scored; here it only sorts first
        return 0
