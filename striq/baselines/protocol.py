"""What a baseline is: fitted on the unlabeled frames of one plane, then it scores other frames of that plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striq.data.structure_boxes import StructureBox
from striq.model.network import Pyramid

BASELINES: dict[str, type[Baseline]] = {}


@dataclass(frozen=True)
class PlaneFrames:
    """Frames of one plane.

    Attributes:
        images: Prepared frames, zero outside the fan, shape ``(N, 1, H, W)``.
        features: Their frozen features.
        embed: Computes the frozen features of other prepared pictures, for baselines that change frames.
        boxes: Structures that a person has marked in each frame, for baselines that use them; else ``None``.
        clip: Folder of a CLIP model, for baselines that use it; else ``None``.
    """

    images: Tensor
    features: Pyramid
    embed: Callable[[Tensor], Pyramid]
    boxes: tuple[tuple[StructureBox, ...], ...] | None = None
    clip: Path | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Tensor) -> PlaneFrames:
        boxes = None if self.boxes is None else tuple(self.boxes[row] for row in rows.tolist())
        return replace(self, images=self.images[rows], features=self.features[rows], boxes=boxes)

    def with_images(self, images: Tensor) -> PlaneFrames:
        """Return the same frames with other pictures, such as degraded ones."""
        return replace(self, images=images, features=self.embed(images))


class Baseline(Protocol):
    """A score without quality labels; higher is better.

    Attributes:
        name: Name of its row in tables. Where it stands in for a published method that cannot be had, the name says so.
        needs: What it needs beside frames, one of ``striq.baselines.extras.REMEDIES``; empty if nothing.
    """

    name: ClassVar[str]
    needs: ClassVar[str] = ""

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Fit on a plane.

        Args:
            frames: Unlabeled training frames of the plane.
            anchors: Those of them that are the plane's reference anchors.
        """
        ...

    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames of the plane, shape ``(N,)``; each depends on its own frame only."""
        ...


def baseline(cls: type[Baseline]) -> type[Baseline]:
    """Register a baseline under its name."""
    BASELINES[cls.name] = cls
    return cls


def as_scores(values: Tensor) -> NDArray[np.float64]:
    """Return values, shape ``(N,)``, as scores."""
    return values.detach().double().cpu().numpy()


def inside_fan(frames: PlaneFrames, size: Sequence[int]) -> Tensor:
    """Return which cells of a grid lie in the fan, shape ``(N, H, W)``.

    Args:
        frames: The frames.
        size: Rows and columns of the grid, H and W.
    """
    share = torch.nn.functional.adaptive_avg_pool2d((frames.images > 0).float(), (size[0], size[1]))
    return share[:, 0] > 0.5
