"""MP4, AVI and other video files, if the user has installed PyAV (see docs/decisions/0002-video-files.md)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.readers.intensity import to_unit_gray
from striq.data.readers.reader_errors import one_line
from striq.errors import ReadError


def open_video(path: Path) -> Cine:
    """Return the cine of a video file.

    Raises:
        ReadError: If PyAV is not installed, or the file is not a video.
    """
    try:
        import av  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ReadError(
            what="Video files are not read by STRIQ itself",
            where=path,
            expected="a DICOM, TIFF, NRRD, MetaImage, NIfTI, PNG or JPEG file, or the optional package 'av'",
            got=path.suffix,
            remedy="Export the cine as DICOM or as a folder of PNG files, or install PyAV: pip install av.",
        ) from error
    try:
        with av.open(str(path)) as container:
            times = [
                float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.pts is not None
            ]
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        raise _damaged(path, error) from error
    if not times:
        raise _damaged(path, ValueError("no frames"))
    frames = _Forward(path, av)
    return Cine(str(path), len(times), frames.read, times_s=[time - times[0] for time in times])


class _Forward:
    """Decodes frames in order; asking for an earlier one starts again from the first."""

    def __init__(self, path: Path, av: Any) -> None:
        self._path, self._av = path, av
        self._pictures: Iterator[NDArray] = iter(())
        self._next_index: float = math.inf

    def read(self, index: int) -> NDArray[np.float32]:
        """Return frame ``index`` as gray values in [0, 1]."""
        if index < self._next_index:
            self._pictures, self._next_index = self._decoded(), 0
        try:
            for picture in self._pictures:
                self._next_index += 1
                if self._next_index > index:
                    return to_unit_gray(picture)
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise _damaged(self._path, error) from error
        raise _damaged(self._path, EOFError(f"no frame {index}"))

    def _decoded(self) -> Iterator[NDArray]:
        with self._av.open(str(self._path)) as container:
            for picture in container.decode(video=0):
                yield picture.to_ndarray(format="rgb24")


def _damaged(path: Path, error: Exception) -> ReadError:
    return ReadError(
        what="The video cannot be decoded",
        where=path,
        expected="a complete video with a picture track",
        got=one_line(error),
        remedy="Export the cine as DICOM or as a folder of PNG files.",
    )
