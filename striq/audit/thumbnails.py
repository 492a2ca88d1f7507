"""Small pictures of the frames that an audit names."""

from __future__ import annotations

from pathlib import Path

from striq.data.readers import open_cine
from striq.errors import StriqError
from striq.reporting.frame_pictures import jpeg_uri, small_jpeg


def thumbnail(source: str, frame: int) -> str:
    """Return a frame as a data URI; an empty string if it can no longer be read.

    Args:
        source: Path of the file.
        frame: Number of the frame.
    """
    try:
        return jpeg_uri(small_jpeg(open_cine(Path(source))[frame]))
    except (StriqError, OSError, IndexError, ValueError):  # gone or changed since it was scored
        return ""
