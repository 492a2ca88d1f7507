"""The values that pass between the parts of STRIQ."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Mode = Literal[
    "affine",
    "translation",
    "rotation",
    "scale",
    "shear",
    "rotation_scale",
    "translation_scale",
    "rotation_translation",
]
NO_PLANE = "none"  # name of the answer "none of the planes this model knows"


@dataclass(frozen=True)
class Frame:
    """One two-dimensional ultrasound image and where it comes from.

    Convention:
        - ``pixels`` has shape ``(H, W)``, float32 in [0, 1]; row 0 is the top of the picture as displayed.
        - ``spacing_mm`` is ``(row, column)``: the distance between neighboring rows, then columns.
        - ``crop`` is ``(top, left, bottom, right)`` in pixels of the stored picture; ``None`` means all of it.
    """

    pixels: NDArray[np.float32]
    source: str = ""
    index: int = 0
    spacing_mm: tuple[float, float] | None = None
    time_s: float | None = None
    crop: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class FrameRecord:
    """One frame of a data set: where it lies, what it shows, and which frames must stay in its split.

    ``group`` names the patient, fetus, exam or clip. ``rating`` is a human judgement, higher is better;
    it is used by the final table only, never in training, anchor selection or thresholds.
    """

    path: Path
    plane: str
    group: str
    frame_index: int = 0
    rating: float | None = None


@dataclass(frozen=True)
class ConsistencyTerms:
    """What Q is made of, not normalized; every term: lower is better.

    Attributes:
        similarity: Eq. 2, mean over the anchors that count.
        ncc: Eq. 3, the same.
        smoothness: Size of the transforms, the same.
        contrast: Of the frame's own structure, minus its logarithm.
    """

    similarity: float
    ncc: float
    smoothness: float
    contrast: float


@dataclass(frozen=True)
class AnchorSource:
    """Provenance of an anchor: the file it was read from and the group it belongs to."""

    path: str
    group: str
    frame_index: int = 0


@dataclass(frozen=True)
class FrameScore:
    """The judgement of one frame.

    Convention:
        - ``transform`` is a 2x3 pull-back from query to anchor in (x, y) coordinates, ±1 at pixel edges.
        - ``plane_probabilities`` sums to one and includes ``"none"``.
    """

    quality: float
    accepted: bool
    plane: str
    plane_probabilities: dict[str, float]
    terms: ConsistencyTerms
    transform: NDArray[np.float32]
    nearest_anchor: AnchorSource
    source: str = ""
    index: int = 0
    time_s: float | None = None
    details: dict[str, float] = field(default_factory=dict)
