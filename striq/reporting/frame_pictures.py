"""Frames as small JPEGs of a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striq.reporting.explained_frame import ExplainedFrame
from striq.scoring.results import FrameResult
from striq.types import Frame, FrameScore

PICTURE_WIDTH, PANEL_WIDTH, SMALL_WIDTH, JPEG_QUALITY = 360, 280, 150, 82
GALLERY, SMALLEST_GALLERY = 8, 5  # frames shown at most, and of a cine that has a gallery
Explain = Callable[[Frame, FrameScore], ExplainedFrame]


@dataclass(frozen=True)
class Panel:
    """A picture that explains the score of a frame.

    Attributes:
        title: What it shows.
        jpeg: The picture; empty if the model holds none.
        note: What to know of it.
    """

    title: str
    jpeg: bytes
    note: str = ""

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return jpeg_uri(self.jpeg)


@dataclass(frozen=True)
class FramePicture:
    """A frame that the report shows.

    Attributes:
        name: Heading, such as "Best frame".
        score: Score of the frame.
        jpeg: The frame as a small JPEG.
        panels: The nearest reference warped onto the frame, and missing structure, if the frame is explained.
        sentence: How the reference moves to lie on the frame.
    """

    name: str
    score: FrameScore
    jpeg: bytes
    panels: tuple[Panel, ...] = ()
    sentence: str = ""

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return jpeg_uri(self.jpeg)


def picture_of(name: str, score: FrameScore, frame: Frame, explain: Explain | None) -> FramePicture:
    """Return a frame, with what its score rests on if ``explain`` is given; then cropped to its fan."""
    if explain is None:
        return FramePicture(name, score, _jpeg(_as_levels(frame), _aspect(frame), PICTURE_WIDTH))
    found = explain(frame, score)
    shown, missing = (_jpeg(picture, found.aspect, PANEL_WIDTH) for picture in (found.frame, found.missing))
    reference = b"" if found.reference is None else _jpeg(found.reference, found.aspect, PANEL_WIDTH)
    panels = (
        Panel(f"Nearest reference warped: {found.reference_name}", reference, found.note),
        Panel("Missing structure, in orange", missing),
    )
    return FramePicture(name, score, shown, panels, found.sentence)


def small_picture_of(score: FrameScore, frame: Frame) -> FramePicture:
    """Return a frame as a picture of a gallery."""
    return FramePicture("", score, small_jpeg(frame))


def small_jpeg(frame: Frame) -> bytes:
    """Return a frame as a JPEG of a gallery or a table."""
    return _jpeg(_as_levels(frame), _aspect(frame), SMALL_WIDTH)


def from_worst_to_best(results: Sequence[FrameResult]) -> list[FrameScore]:
    """Return at most eight scores, evenly spread over the ranks of Q, the worst first; none of a short cine."""
    ranked = sorted((result.score for result in results if result.score is not None), key=lambda score: score.quality)
    if len(ranked) < SMALLEST_GALLERY:
        return []
    ranks = np.linspace(0, len(ranked) - 1, min(GALLERY, len(ranked))).round().astype(int)
    return [ranked[rank] for rank in ranks]


def jpeg_uri(jpeg: bytes) -> str:
    """Return a JPEG as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _as_levels(frame: Frame) -> NDArray[np.uint8]:
    return np.round(frame.pixels * 255).astype(np.uint8)


def _aspect(frame: Frame) -> float:
    row_mm, column_mm = frame.spacing_mm or (1.0, 1.0)
    return row_mm / column_mm


def _jpeg(pixels: NDArray[Any], aspect: float, largest_width: int) -> bytes:
    """Return a picture as a small JPEG with square pixels.

    Args:
        pixels: Gray or color, shape ``(H, W)`` or ``(H, W, 3)``.
        aspect: Distance between rows divided by that between columns.
        largest_width: Largest width of the result, pixels.
    """
    height, width = pixels.shape[:2]
    new_width = min(largest_width, width)
    new_height = max(1, round(new_width * height * aspect / width))
    picture = Image.fromarray(pixels).resize((new_width, new_height))
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()
