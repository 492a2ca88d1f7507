"""Header fields that the PLUS toolkit adds to MetaImage and NRRD image sequences."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from striq.errors import ReadError

logger = logging.getLogger(__name__)


def sequence_times(path: Path, header: Mapping[str, object]) -> list[float] | None:
    """Return the recorded time of every frame in seconds; ``None`` if one is missing or not a number.

    The fields are ``Seq_Frame0000_Timestamp``, ``Seq_Frame0001_Timestamp`` and so on, without gaps.

    Args:
        path: File, for messages.
        header: Its fields.
    """
    num_frames = sum(name.startswith("Seq_Frame") and name.endswith("_Timestamp") for name in header)
    names = [f"Seq_Frame{index:04d}_Timestamp" for index in range(num_frames)]
    return parse_times(path, [(name, str(header.get(name, ""))) for name in names])


def parse_times(path: Path, named: Sequence[tuple[str, str]]) -> list[float] | None:
    """Return times as finite numbers. If one is malformed, all are unknown, which is logged as a warning.

    Args:
        path: File, for messages.
        named: Name and text of every time.
    """
    times: list[float] = []
    for name, text in named:
        try:
            times.append(float(text))
        except ValueError:
            times.append(math.nan)
        if not math.isfinite(times[-1]):
            logger.warning("%s: the times of the frames are unknown: %s is %r.", path, name, text[:40])
            return None
    return times or None


def has_frame_fields(header: Mapping[str, object]) -> bool:
    """Return whether the header describes single frames; reconstructed volumes have the same kinds of axes without."""
    return any(name.startswith("Seq_Frame") for name in header)


def refuse_radio_frequency(path: Path, image_type: str) -> None:
    """Raise ``ReadError`` if the pixels are radio-frequency samples, which have no gray values.

    Args:
        path: File, for the message.
        image_type: Value of the field UltrasoundImageType, such as ``"BRIGHTNESS"`` or ``"RF_REAL"``.
    """
    if image_type.strip().upper().startswith("RF"):
        raise ReadError(
            what="The file holds radio-frequency data, not images",
            where=path,
            expected="UltrasoundImageType BRIGHTNESS",
            got=image_type.strip(),
            remedy="Record or compute B-mode images.",
        )
