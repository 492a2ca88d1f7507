"""The acceptance rule, in plain Python so that programs without PyTorch can apply it."""

from __future__ import annotations

NO_PLANE = "none"  # name of the answer "none of the planes this model knows"


def is_accepted(quality: float, plane: str, threshold: float) -> bool:
    """Return whether a frame is accepted: its quality exceeds the threshold and it shows a known plane.

    Args:
        quality: Q, 0 to 1.
        plane: Predicted plane, ``"none"`` for a frame that shows no known plane.
        threshold: Quality that an accepted frame exceeds.
    """
    return quality > threshold and plane != NO_PLANE
