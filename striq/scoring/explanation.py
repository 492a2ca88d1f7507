"""Why a frame got its score, as maps on the frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striq.types import FrameScore


@dataclass(frozen=True)
class Explanation:
    """Why a frame got its score.

    Attributes:
        score: The score.
        warped_anchor: Stage-3 features of the nearest anchor on the frame's grid, shape ``(C, H, W)``.
        residual: One minus the cosine to the warped anchor, per stage-1 cell; NaN outside the fan, shape ``(H, W)``.
        missing: Where structure that all anchors show is not found, 0 to 1, same cells.
    """

    score: FrameScore
    warped_anchor: NDArray[np.float32]
    residual: NDArray[np.float32]
    missing: NDArray[np.float32]
