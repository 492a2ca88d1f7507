"""Errors that several readers raise."""

from __future__ import annotations

from pathlib import Path

from striq.errors import ReadError, one_line

__all__ = ["bad_header", "missing_pixel_file", "one_line", "truncated"]


def bad_header(path: Path, expected: str, got: str) -> ReadError:
    """Return the error for a header that is invalid or not supported."""
    return ReadError(
        what="The header cannot be used", where=path, expected=expected, got=got, remedy="Export the file again."
    )


def missing_pixel_file(path: Path, pixel_file: Path) -> ReadError:
    """Return the error for a header whose pixel file does not exist."""
    return ReadError(
        what="The pixel file is missing",
        where=path,
        expected=f"{pixel_file.name} beside the header",
        got="no such file",
        remedy="Copy the pixel file there; the header contains no pixels.",
    )


def truncated(path: Path, expected: int, got: int) -> ReadError:
    """Return the error for pixel data that is too short, both sizes in bytes."""
    return ReadError(
        what="The pixel data is truncated",
        where=path,
        expected=f"at least {expected} bytes",
        got=f"{got}",
        remedy="Copy or export the file again.",
    )
