"""Reader of MP4, AVI and other videos; requires the optional package PyAV (docs/decisions/0002-video-files.md)."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.readers.gray_frames import GrayFrames
from striq.data.readers.limits import refuse_large_frame
from striq.data.readers.reader_errors import one_line
from striq.errors import ReadError

logger = logging.getLogger(__name__)


def open_video(path: Path, *, frame_axis: int | None = None) -> Cine:
    """Return the cine of a video file, turned upright as its rotation says.

    Args:
        path: Video file.
        frame_axis: Ignored; a video has only one axis of frames.

    Raises:
        ReadError: If PyAV is not installed, or the file is not a video.
    """
    del frame_axis
    try:
        import av  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ReadError(
            what="Reading video files requires the package PyAV, which is not installed",
            where=path,
            expected="a DICOM, TIFF, NRRD, MetaImage, NIfTI, PNG or JPEG file, or the optional package 'av'",
            got=path.suffix,
            remedy="Install it with 'pip install av', or export the cine as DICOM or as a folder of PNG files.",
        ) from error
    try:
        with av.open(str(path)) as container:
            num_declared = container.streams.video[0].frames
            # Packets are stored in the order of decoding; frames are decoded in the order of their times.
            # Frames outside the part that an edit list shows are decoded for those that follow, and left out.
            shown = (packet for packet in container.demux(video=0) if not packet.is_discard)
            times = sorted(float(packet.pts * packet.time_base) for packet in shown if packet.pts is not None)
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        raise _damaged(path, error) from error
    if not times:
        raise _damaged(path, ValueError("no frames"))
    if num_declared > len(times):
        logger.warning("%s: the header declares %d frames, the file holds %d.", path, num_declared, len(times))
    decoder = _ForwardDecoder(path, av)
    return Cine(str(path), len(times), GrayFrames(str(path), len(times), decoder.read), times_s=times)


class _ForwardDecoder:
    """Decodes frames in order; reading an earlier frame restarts from the first."""

    def __init__(self, path: Path, av: Any) -> None:
        self._path, self._av = path, av
        self._images: Iterator[NDArray[Any]] = iter(())
        self._next_index: float = math.inf

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return frame ``index`` in RGB, shape ``(H, W, 3)``."""
        if index < self._next_index:
            self._images, self._next_index = self._decode(), 0
        try:
            for image in self._images:
                self._next_index += 1
                if self._next_index > index:
                    return image
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise _damaged(self._path, error) from error
        raise _damaged(self._path, EOFError(f"no frame {index}"))

    def _decode(self) -> Iterator[NDArray[Any]]:
        with self._av.open(str(self._path)) as container:
            for image in container.decode(video=0):
                refuse_large_frame(self._path, image.height, image.width)
                # Counterclockwise, by which players turn the picture; early versions of PyAV do not tell.
                quarter_turns = round(getattr(image, "rotation", 0) / 90)
                yield np.rot90(image.to_ndarray(format="rgb24"), quarter_turns)


def _damaged(path: Path, error: Exception) -> ReadError:
    return ReadError(
        what="The video cannot be decoded",
        where=path,
        expected="a complete file with a video track",
        got=one_line(error),
        remedy="Export the cine as DICOM or as a folder of PNG files.",
    )
