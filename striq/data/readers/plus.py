"""Header fields that the PLUS toolkit adds to MetaImage and NRRD image sequences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from striq.errors import ReadError


def sequence_times(header: Mapping[str, object]) -> list[float] | None:
    """Return the recorded time of every frame in seconds; ``None`` if one is missing or not a number.

    The fields are ``Seq_Frame0000_Timestamp``, ``Seq_Frame0001_Timestamp`` and so on, without gaps.
    """
    num_frames = sum(name.startswith("Seq_Frame") and name.endswith("_Timestamp") for name in header)
    times: list[float] = []
    for index in range(num_frames):
        text = str(header.get(f"Seq_Frame{index:04d}_Timestamp", ""))
        try:
            times.append(float(text))
        except ValueError:
            return None
    return times if times and all(math.isfinite(time) for time in times) else None


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
