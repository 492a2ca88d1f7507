"""Types of the answers of the scoring process, protocol 2."""

from __future__ import annotations

from typing import TypedDict


class TermDescription(TypedDict):
    """One term of the quality score."""

    name: str
    label: str
    description: str


class LoadedModel(TypedDict):
    """Answer ``loaded``: the model that the scoring process holds."""

    model: str
    sha256: str
    planes: list[str]
    threshold: float
    device: str
    version: str
    about: dict[str, str]
    terms: list[TermDescription]


class ScoredFrame(TypedDict):
    """Answer ``frame``: the score of one frame.

    Convention:
        - ``terms`` are raw values, lower is better; ``normalized_terms`` are 1 for the best seen in training.
        - ``transform`` is a 2x3 pull-back from frame to reference; ±1 are the edges of ``crop``.
        - ``crop`` is ``(top, left, bottom, right)`` in pixels of the frame.
        - ``anchor_number`` is the place of the nearest reference among those of ``scored_plane``, from 0.
        - Values that are not finite are ``None``.
    """

    index: int
    ms: float
    quality: float | None
    plane: str
    scored_plane: str
    plane_probabilities: dict[str, float | None]
    terms: dict[str, float | None]
    normalized_terms: dict[str, float | None]
    weights: dict[str, float | None]
    transform: list[list[float]]
    crop: list[int]
    anchor_number: int


class ExplainedFrame(ScoredFrame):
    """Answer ``explained``: the score of one frame, and files of its maps.

    Convention:
        - ``residual`` and ``missing`` are NumPy files of one value per pixel, NaN outside the fan.
        - ``anchor_picture`` is a NumPy file of the nearest reference, ``None`` if the model has no pictures.
    """

    residual: str
    missing: str
    anchor_picture: str | None


class FailedFrame(TypedDict):
    """Answer ``frame``: why one frame could not be scored."""

    index: int
    ms: float
    error: str


FrameAnswer = ScoredFrame | FailedFrame
