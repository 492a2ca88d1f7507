"""Frames of a training, and which of them are held out for validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striq.config import TrainingConfig
from striq.data.splits import hold_out
from striq.types import FrameRecord


@dataclass(frozen=True)
class TrainingFrames:
    """Prepared frames with what each of them is; ratings are not looked at.

    Attributes:
        images: Prepared frames, shape ``(N, 1, H, W)``.
        records: Plane, group and file of each frame.
        held_out: Which frames only validate, shape ``(N,)``.
        left_out: Each frame that could not be read, with the reason.
    """

    images: Tensor
    records: Sequence[FrameRecord]
    held_out: Tensor
    left_out: Sequence[tuple[FrameRecord, str]] = ()

    def __post_init__(self) -> None:
        counts = (len(self.images), len(self.records), len(self.held_out))
        if len(set(counts)) > 1:
            msg = f"Expected one record and one held-out flag per image, got {counts} images, records and flags."
            raise ValueError(msg)

    @classmethod
    def all_training(cls, images: Tensor, records: Sequence[FrameRecord]) -> TrainingFrames:
        """Return frames of which none is held out."""
        return cls(images, records, torch.zeros(len(images), dtype=torch.bool))


def held_out_frames(records: Sequence[FrameRecord], training: TrainingConfig) -> Tensor:
    """Return which frames validate, whole groups of them, shape ``(N,)``.

    Raises:
        DatasetError: If a plane has fewer than two groups.
    """
    _, held_out = hold_out(records, training.validation_fraction, seed=training.seed)
    chosen = set(held_out)
    return torch.tensor([record in chosen for record in records])
