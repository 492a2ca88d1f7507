"""Header fields that the PLUS toolkit adds to MetaImage and NRRD image sequences."""

from __future__ import annotations

import math
from collections.abc import Mapping


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
