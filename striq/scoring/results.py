"""Result of a frame: its score, or the error that prevented one."""

from __future__ import annotations

from dataclasses import dataclass

from striq.types import FrameScore


@dataclass(frozen=True)
class FrameResult:
    """Score of one frame, or the error that prevented it.

    Convention:
        - Either ``score`` or ``error`` is set.
        - ``index`` is ``None`` if the file could not be opened; such a file has a single result.

    Attributes:
        source: Name of the file.
        index: Number of the frame in the file, from 0.
        score: The score.
        error: Message about the failure.
    """

    source: str
    index: int | None
    score: FrameScore | None = None
    error: str = ""
