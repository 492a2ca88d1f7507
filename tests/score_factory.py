"""Scores made up for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from striq.quality.terms import TERMS
from striq.types import AnchorSource, FrameScore


def make_score(quality: float = 0.5, plane: str = "a4c", **changes: Any) -> FrameScore:
    """Return a score whose terms give its quality: every normalized term equals it.

    Args:
        quality: Q.
        plane: Predicted plane.
        **changes: Other attributes of the score.
    """
    names = list(TERMS)
    score: dict[str, Any] = {
        "quality": quality,
        "accepted": quality > 0.5 and plane != "none",
        "plane": plane,
        "scored_plane": "a4c" if plane == "none" else plane,
        "plane_probabilities": {plane: 1.0},
        "terms": {name: 0.5 / 2**number for number, name in enumerate(names)},
        "normalized_terms": dict.fromkeys(names, quality),
        "weights": {name: 1 / len(names) for name in names},
        "threshold": 0.5,
        "crop": (0, 0, 64, 64),
        "transform": np.eye(2, 3, dtype=np.float32),
        "nearest_anchor": AnchorSource("a.png", "g"),
    }
    return FrameScore(**{**score, **changes})
