"""Times of the frames from a DICOM header."""

from __future__ import annotations

import logging
from itertools import accumulate
from pathlib import Path

from striq.data.readers.dicom_values import HeaderValues

logger = logging.getLogger(__name__)
FRAME_TIME_VECTOR = 0x00181065  # tag that FrameIncrementPointer may name


def frame_times_s(header: HeaderValues, num_frames: int, source: Path) -> list[float] | None:
    """Return the time of every frame relative to the first, or ``None`` if the header does not state it.

    FrameIncrementPointer says which element holds the times. Without it, FrameTime is used, or else FrameTimeVector.
    Where there is neither, the frame rate is used.

    Args:
        header: Header of the file.
        num_frames: Number of frames.
        source: File, for messages.
    """
    by_vector = header.integer("FrameIncrementPointer") == FRAME_TIME_VECTOR
    frame_time_ms = header.number("FrameTime")
    if by_vector or not frame_time_ms:
        vector_ms = header.numbers("FrameTimeVector")
        if vector_ms:
            return _from_vector(vector_ms, num_frames, source)
    if frame_time_ms is None or frame_time_ms <= 0:
        rate = header.number("CineRate") or header.number("RecommendedDisplayFrameRate")
        frame_time_ms = 1000.0 / rate if rate and rate > 0 else None
    return None if frame_time_ms is None else [index * frame_time_ms / 1000.0 for index in range(num_frames)]


def _from_vector(increments_ms: list[float], num_frames: int, source: Path) -> list[float] | None:
    if len(increments_ms) < num_frames:
        message = "%s: the times of the frames are unknown: FrameTimeVector has %d values for %d frames."
        logger.warning(message, source, len(increments_ms), num_frames)
        return None
    return [time_ms / 1000.0 for time_ms in accumulate(increments_ms[1:num_frames], initial=0.0)]
