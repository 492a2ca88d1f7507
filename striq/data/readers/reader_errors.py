"""Sentences that several readers use to refuse a file."""

from __future__ import annotations

from pathlib import Path

from striq.errors import ReadError


def one_line(error: BaseException) -> str:
    """Return the message of a library's error as one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."


def bad_header(path: Path, expected: str, got: str) -> ReadError:
    """Return the error for a header that does not describe the file."""
    return ReadError(
        what="The header cannot be used", where=path, expected=expected, got=got, remedy="Export the file again."
    )


def missing_pixel_file(path: Path, pixel_file: Path) -> ReadError:
    """Return the error for a header whose file of pixels is not there."""
    return ReadError(
        what="The file of pixels is missing",
        where=path,
        expected=f"{pixel_file.name} beside the header",
        got="no such file",
        remedy="Copy it there: the header alone has no picture.",
    )


def cut_off(path: Path, expected: int, got: int) -> ReadError:
    """Return the error for a file of pixels that is too short."""
    return ReadError(
        what="The pixel data is cut off",
        where=path,
        expected=f"at least {expected} bytes",
        got=f"{got}",
        remedy="Copy or export the file again.",
    )
