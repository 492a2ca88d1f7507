"""The values that pass between the parts of STRIQ."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

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


class FanFinder(Protocol):
    """Finds the fan of the frames of one cine."""

    def mask(self, pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return the fan of a frame with gray values in [0, 1], shape ``(H, W)``."""
        ...


@dataclass(frozen=True)
class Frame:
    """One two-dimensional ultrasound image and where it comes from.

    Convention:
        - ``pixels`` has shape ``(H, W)``, float32 in [0, 1]; row 0 is the top of the picture as displayed.
        - ``spacing_mm`` is ``(row, column)``: the distance between neighboring rows, then columns.
        - ``crop`` is ``(top, left, bottom, right)`` in pixels of the stored picture; ``None`` means all of it.
        - ``fan`` finds the fan of the frames of a cine; ``None`` for a frame that is judged by itself.

    Raises:
        ValueError: If ``pixels`` has another shape, type or range, or a value that is not a number.
    """

    pixels: NDArray[np.float32]
    source: str = ""
    index: int = 0
    spacing_mm: tuple[float, float] | None = None
    time_s: float | None = None
    crop: tuple[int, int, int, int] | None = None
    fan: FanFinder | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        pixels = self.pixels
        if getattr(pixels, "dtype", None) != np.float32 or pixels.ndim != 2 or pixels.size == 0:
            got = f"{pixels.dtype} {pixels.shape}" if hasattr(pixels, "dtype") else type(pixels).__name__
            remedy = "Convert stored pixels with striq.data.readers.intensity.to_unit_gray(pixels)."
            msg = f"'pixels' must be a float32 array of shape (H, W) with values in [0, 1], got {got}. {remedy}"
            raise ValueError(msg)
        low, high = pixels.min(), pixels.max()
        if not (low >= 0 and high <= 1):  # also if one is NaN
            remedy = "Divide by the largest possible value, such as 255, and leave out pixels that are not a number."
            msg = f"'pixels' must lie in [0, 1], got values from {low:.3g} to {high:.3g}. {remedy}"
            raise ValueError(msg)


@dataclass(frozen=True)
class FrameRecord:
    """One frame of a data set: where it lies, what it shows, and which frames must stay in its split.

    ``group`` names the patient, fetus, exam or clip. ``rating`` is a human judgement, higher is better;
    it is used by the final table only, never in training, anchor selection or the default threshold.
    ``frame_axis`` names the axis that counts the frames where the file does not (``striq.data.readers.open_cine``).
    """

    path: Path
    plane: str
    group: str
    frame_index: int = 0
    rating: float | None = None
    frame_axis: int | None = None


@dataclass(frozen=True)
class AnchorSource:
    """Provenance of an anchor, without names of patients (:func:`striq.anchors.provenance.anchor_source`).

    Attributes:
        path: Salted hash of the file's path, followed by ``/`` and the file's stem if names are kept.
        group: Salted hash of the group.
        frame_index: Number of the frame in the file, from 0.
        mirrored: Whether the anchor is the mirror image of that frame.
    """

    path: str
    group: str
    frame_index: int = 0
    mirrored: bool = False

    @property
    def frame(self) -> tuple[str, str, int]:
        """Path, group and number of the frame, which an anchor and its mirror image share."""
        return self.path, self.group, self.frame_index


@dataclass(frozen=True)
class FrameScore:
    """The score of one frame, with all that a report says about it.

    Convention:
        - ``quality`` is the sum over the terms of ``weights`` times ``normalized_terms``; the weights sum to one.
        - ``transform`` is a 2x3 pull-back from query to anchor in (x, y) coordinates, ±1 at the edges of ``crop``.

    Attributes:
        quality: Q, 0 to 1.
        accepted: The verdict, by :func:`striq.verdict.is_accepted`.
        plane: Predicted plane; ``"none"`` if the frame shows no known plane.
        scored_plane: The plane whose anchors scored the frame: of a frame that shows none, the likeliest one.
        plane_probabilities: Of every plane and of ``"none"``; they sum to one.
        terms: Raw value of each term by name; lower is better.
        normalized_terms: Each term on the scale of Q: 1 is the best of the training frames, 0 the worst.
        weights: Weight of each term on this plane.
        threshold: Quality that an accepted frame exceeds.
        uncertainty: Standard error of ``quality`` over the anchors that count; a verdict is close if ``quality`` is
            within about two of it from ``threshold``.
        crop: Top, left, bottom and right of the fan's bounding box, in pixels of the frame.
        transform: From the frame to its nearest anchor, shape ``(2, 3)``.
        nearest_anchor: Where that anchor comes from.
        anchor_number: Its place among the plane's anchors, from 0.
        source: File of the frame.
        index: Number of the frame in the file, from 0.
        time_s: Time of the frame in the file, seconds.
    """

    quality: float
    accepted: bool
    plane: str
    scored_plane: str
    plane_probabilities: dict[str, float]
    terms: dict[str, float]
    normalized_terms: dict[str, float]
    weights: dict[str, float]
    threshold: float
    crop: tuple[int, int, int, int]
    transform: NDArray[np.float32]
    nearest_anchor: AnchorSource
    anchor_number: int = 0
    uncertainty: float = 0.0
    source: str = ""
    index: int = 0
    time_s: float | None = None
