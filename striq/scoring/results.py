"""Result of a frame: its score, or the error that prevented one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
        policy: What the row says of the policy that judges it, by ``POLICY_COLUMNS``; empty without one.
    """

    source: str
    index: int | None
    score: FrameScore | None = None
    error: str = ""
    policy: Mapping[str, str] = field(default_factory=dict[str, str])
