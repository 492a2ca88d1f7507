"""Options of scoring, shared by cines, explanations and live streams."""

from __future__ import annotations

from dataclasses import dataclass

AUTO = "auto"
DEVICES = (AUTO, "cuda", "mps", "cpu")


@dataclass(frozen=True)
class ScoringOptions:
    """How frames are scored.

    Attributes:
        plane: Name of the plane, or ``"auto"`` to recognize it in each frame.
        modelPath: Model or bundle, or ``"light"``; empty for the shipped one.
        device: One of ``DEVICES``.
        threshold: Quality that an accepted frame exceeds; ``None`` for the model's own.
    """

    plane: str = AUTO
    modelPath: str = ""
    device: str = AUTO
    threshold: float | None = None
