"""What became of each frame of a file: its score, or the reason it has none."""

from __future__ import annotations

from dataclasses import dataclass

from striq.types import FrameScore


@dataclass(frozen=True)
class FrameResult:
    """What became of one frame, or of a whole file.

    Convention:
        - Either ``score`` or ``error`` is set.
        - ``index`` is ``None`` where the file cannot be opened.
    """

    source: str
    index: int | None
    score: FrameScore | None = None
    error: str = ""
