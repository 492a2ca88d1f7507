"""Table of the file formats that STRIQ reads, and how a file's format is recognized."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from striq.data.cine import Cine
from striq.data.readers.dicom_start import DICOM_MARKER, PREAMBLE_BYTES, looks_like_dicom


class Opener(Protocol):
    """Opens a file of one format as a cine."""

    def __call__(self, path: Path, *, frame_axis: int | None = None) -> Cine:
        """Return the cine of a file.

        Args:
            path: Existing file.
            frame_axis: Axis that counts the frames, for formats of n-dimensional arrays; others ignore it.

        Raises:
            ReadError: If the file cannot be read as frames.
        """
        ...


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes:
        name: Short name.
        suffixes: File name suffixes, lower case with their dot.
        open: Function that opens a file of this format.
        signatures: Byte strings of which a file of this format contains one; empty if the format has none.
        signature_offset: Position of the signature in the file, bytes.
        is_start: Decides instead of the signatures whether bytes are the first of a file of this format.
        found_by_signature: Whether a search of folders recognizes files by their signature as well as by suffix.
    """

    name: str
    suffixes: tuple[str, ...]
    open: Opener
    signatures: tuple[bytes, ...] = ()
    signature_offset: int = 0
    is_start: Callable[[bytes], bool] | None = None
    found_by_signature: bool = False

    def has_signature(self, start: bytes) -> bool:
        """Return whether the first bytes of a file are those of this format."""
        if self.is_start is not None:
            return self.is_start(start)
        return start[self.signature_offset :].startswith(self.signatures)


def opener(module: str, function: str) -> Opener:
    """Return a function of a module of this package that is loaded, with its libraries, when a file is opened.

    Args:
        module: Name of the module within the package.
        function: Name of the function.
    """

    def open_by_module(path: Path, *, frame_axis: int | None = None) -> Cine:
        loaded = importlib.import_module(f"{__package__}.{module}")
        return getattr(loaded, function)(path, frame_axis=frame_axis)

    return open_by_module


# DICOM comes first: its 128-byte preamble may contain the signature of another format, such as TIFF.
FORMATS = (
    Format(
        "dicom",
        (".dcm", ".dicom"),
        opener("dicom", "open_dicom"),
        (DICOM_MARKER,),
        PREAMBLE_BYTES,
        is_start=looks_like_dicom,  # also without preamble
        found_by_signature=True,
    ),
    Format(
        "image",
        (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif"),
        opener("images", "open_image"),
        (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"GIF8"),
    ),
    Format("nrrd", (".nrrd", ".nhdr"), opener("nrrd_sequence", "open_nrrd"), (b"NRRD000",)),
    Format("metaimage", (".mha", ".mhd"), opener("metaimage", "open_metaimage"), (b"ObjectType", b"NDims")),
    Format("nifti", (".nii", ".nii.gz"), opener("nifti", "open_nifti")),
    Format(
        "video",
        (".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm", ".mpeg", ".mpg", ".wmv"),
        opener("video", "open_video"),
    ),
)


def recognize_format(path: Path) -> Format | None:
    """Return the format of a file by its signature, or else by its suffix; ``None`` if neither is known."""
    start = _first_bytes(path)
    by_signature = next((known for known in FORMATS if known.has_signature(start)), None)
    return by_signature or _format_of_suffix(path)


def may_hold_frames(path: Path) -> bool:
    """Return whether a search of folders should offer a file."""
    if path.name.upper() == "DICOMDIR":  # the index of a DICOM medium, which has no image
        return False
    if _format_of_suffix(path) is not None:
        return True
    start = _first_bytes(path)
    return any(known.found_by_signature and known.has_signature(start) for known in FORMATS)


def known_suffix(path: Path) -> str:
    """Return the suffix of a known format that a file name ends with, in lower case; empty if there is none."""
    name = path.name.lower()
    suffixes = (suffix for known in FORMATS for suffix in known.suffixes)
    return next((suffix for suffix in suffixes if name.endswith(suffix) and name != suffix), "")


def known_suffixes() -> str:
    """Return the suffixes of all formats, separated by commas."""
    return ", ".join(suffix for known in FORMATS for suffix in known.suffixes)


def _first_bytes(path: Path) -> bytes:
    """Return the bytes from the start of a file that can contain a signature."""
    with path.open("rb") as file:
        return file.read(max(known.signature_offset + len(s) for known in FORMATS for s in known.signatures))


def _format_of_suffix(path: Path) -> Format | None:
    suffix = known_suffix(path)
    return next((known for known in FORMATS if suffix in known.suffixes), None)
