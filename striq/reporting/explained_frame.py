"""A frame with what its score rests on: the nearest reference warped onto it, and where structure is missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from striq.anchors.thumbnails import find_thumbnail
from striq.registration.affine import warp
from striq.registration.motion import describe_motion
from striq.scoring.frame_maps import resample_onto_frame
from striq.scoring.scorer import StriqScorer
from striq.types import Frame, FrameScore

Gray, Color = NDArray[np.uint8], NDArray[np.uint8]
PICTURE, STRUCTURE = "picture", "structure map"  # what is shown of a reference
NO_PICTURE = "The model holds no picture of this reference."
STRUCTURE_NOTE = f"{NO_PICTURE} This is the map of its structure: bright walls, dark chambers."
MISSING_COLOR = np.array([255, 140, 0], np.float32)
MISSING_GAIN, STRONGEST = 2.0, 0.85  # of the share of the color: a map seldom exceeds one half
MIDDLE_GRAY = 128  # of a structure map, which has levels from -127 to 127


@dataclass(frozen=True)
class ExplainedFrame:
    """Pictures of the fan's bounding box, all on the pixels of the frame, and words.

    Attributes:
        score: Score of the frame.
        frame: The frame, shape ``(H, W)``.
        reference: The nearest reference warped onto the frame, black where it does not reach, shape ``(H, W)``;
            ``None`` if the model holds none.
        shown: What ``reference`` is: ``"picture"``, ``"structure map"``, or nothing.
        missing: The frame, with color where structure that all references show is missing, shape ``(H, W, 3)``.
        motion: How the reference moves to lie on the frame.
        aspect: Distance between rows divided by that between columns.
    """

    score: FrameScore
    frame: Gray
    reference: Gray | None
    shown: str
    missing: Color
    motion: str
    aspect: float = 1.0

    @property
    def note(self) -> str:
        """What to know of the reference's picture; empty if it is one."""
        return {PICTURE: "", STRUCTURE: STRUCTURE_NOTE}.get(self.shown, NO_PICTURE)

    @property
    def reference_name(self) -> str:
        """The reference: its plane, and its number among the plane's references."""
        return f"{self.score.scored_plane} {self.score.anchor_number}"

    @property
    def sentence(self) -> str:
        """The motion as a sentence."""
        return f"To lie on this frame, the nearest reference must: {self.motion}."


class FrameExplainer:
    """Explains frames by one model.

    Args:
        scorer: The model.
        checkpoint: Its file; pictures of the references lie beside it, if there are any.
    """

    def __init__(self, scorer: StriqScorer, checkpoint: Path) -> None:
        self.scorer, self.checkpoint = scorer, checkpoint

    def explain(self, frame: Frame, plane: str, threshold: float | None = None) -> ExplainedFrame:
        """Return a frame with what its score rests on.

        Args:
            frame: Frame as read.
            plane: As for ``StriqScorer.score``.
            threshold: Likewise.

        Raises:
            StriqError: If the frame cannot be scored.
        """
        explanation = self.scorer.explain(frame, plane, threshold=threshold)
        score = explanation.score
        top, left, bottom, right = score.crop
        box = np.s_[top:bottom, left:right]
        picture, shown = self._reference(score)
        gray = np.round(frame.pixels[box] * 255).astype(np.uint8)
        missing = resample_onto_frame(explanation.missing, score.crop, frame.pixels.shape)[box]
        row, column = frame.spacing_mm or (1.0, 1.0)
        return ExplainedFrame(
            score=score,
            frame=gray,
            reference=None if picture is None else warped_onto(picture, score.transform, gray.shape),
            shown=shown,
            missing=_colored(gray, missing),
            motion=describe_motion(score.transform, gray.shape, frame.spacing_mm),
            aspect=row / column,
        )

    def _reference(self, score: FrameScore) -> tuple[Gray | None, str]:
        """Return a picture of the nearest reference, or its structure map, and which of them it is."""
        picture = find_thumbnail(self.checkpoint, score.scored_plane, score.anchor_number)
        if picture is not None:
            return picture, PICTURE
        plane, bank = self.scorer.plane_index(score.scored_plane), self.scorer.bank
        levels = bank.structure(plane)[score.anchor_number, 0].cpu().numpy()
        if not levels.any():
            return None, ""
        inside = bank.masks(plane)[0][score.anchor_number, 0].cpu().numpy() > 0
        return np.where(inside, MIDDLE_GRAY + levels, 0).clip(0, 255).astype(np.uint8), STRUCTURE


def warped_onto(picture: Gray, transform: NDArray[np.float32], shape: tuple[int, int]) -> Gray:
    """Return the picture of a reference on the pixels of a frame's fan, black where it does not reach.

    Args:
        picture: The reference, cropped to its fan, shape ``(H', W')``.
        transform: Pull-back from frame to reference, shape ``(2, 3)``.
        shape: Shape ``(H, W)`` of the frame's fan.
    """
    given = torch.from_numpy(picture.astype(np.float32))[None, None]
    stretched = F.interpolate(given, shape, mode="bilinear", antialias=True)
    warped = warp(stretched, torch.from_numpy(np.asarray(transform, np.float32))[None])
    return warped[0, 0].round().clamp(0, 255).numpy().astype(np.uint8)


def _colored(gray: Gray, missing: NDArray[np.float32]) -> Color:
    share = np.clip(MISSING_GAIN * np.nan_to_num(missing), 0, 1)[..., None] * STRONGEST
    return np.round(gray[..., None] * (1 - share) + MISSING_COLOR * share).astype(np.uint8)
