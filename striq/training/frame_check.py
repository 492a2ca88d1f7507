"""What can be said of training frames before the training: their number, groups, look-alikes, and anchors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.config import QualityConfig
from striq.training.plane_support import ENOUGH_FRAMES, ENOUGH_GROUPS
from striq.training.starting_values import number_of_anchors
from striq.training.training_frames import TrainingFrames
from striq.types import FrameRecord

LOOK_ALIKE = 0.98  # correlation of small pictures; 300 frames of CAMUS, HC18 and livers reach 0.96 between patients
SIDE = 32  # pixels of the small pictures


@dataclass(frozen=True)
class PlaneFrames:
    """The frames of one plane before the training; those held out for validation count.

    Attributes:
        plane: Name of the plane.
        frames: Number of frames.
        groups: Number of groups among them.
        anchors: Number of anchors that so many frames give.
        wanted_anchors: Number of anchors that the settings ask for.
        look_alikes: Pairs of rows, among all frames, that look the same though their groups differ.
    """

    plane: str
    frames: int
    groups: int
    anchors: int
    wanted_anchors: int
    look_alikes: tuple[tuple[int, int], ...]

    @property
    def ungrouped(self) -> bool:
        """Whether every frame is a group of its own, so that nothing says which belong together."""
        return self.groups == self.frames > 1

    def lines(self, records: Sequence[FrameRecord]) -> list[tuple[int, str]]:
        """Return what a user should know before the training, each with its logging level.

        Args:
            records: All frames, to name those that look alike.
        """
        lines = [(logging.INFO, f"{self.plane}: {self.frames} frames of {self.groups} groups.")]
        if self.anchors < self.wanted_anchors:
            lines.append(
                (
                    logging.WARNING,
                    f"{self.plane}: too few frames for {self.wanted_anchors} anchors, there will be {self.anchors}. "
                    f"{ENOUGH_FRAMES} frames of {ENOUGH_GROUPS} groups are enough.",
                )
            )
        if self.ungrouped:
            lines.append(
                (
                    logging.WARNING,
                    f"{self.plane}: every frame is a group of its own. If some are of the same patient or clip, name "
                    "the groups (folders, --group-pattern, or the column 'group'); else all figures come out too good.",
                )
            )
        if self.look_alikes:
            first, second = (records[row].path for row in self.look_alikes[0])
            lines.append(
                (
                    logging.WARNING,
                    f"{self.plane}: frames look the same though their groups differ ({len(self.look_alikes)} in all), "
                    f"such as {first} and {second}. Give copies and frames of one clip the same group, or keep one.",
                )
            )
        return lines


def check_frames(frames: TrainingFrames, quality: QualityConfig) -> list[PlaneFrames]:
    """Return what can be said of the frames of each plane, in the order of their names.

    Args:
        frames: Training and held-out frames.
        quality: Says how many anchors are wanted.
    """
    found = []
    for plane in sorted({record.plane for record in frames.records}):
        rows = [row for row, record in enumerate(frames.records) if record.plane == plane]
        groups = [frames.records[row].group for row in rows]
        trained_on = sum(not bool(frames.held_out[row]) for row in rows)
        pairs = look_alikes(frames.images[rows], groups)
        found.append(
            PlaneFrames(
                plane,
                len(rows),
                len(set(groups)),
                number_of_anchors(trained_on, quality),
                quality.num_anchors,
                tuple((rows[a], rows[b]) for a, b in pairs),
            )
        )
    return found


def look_alikes(images: Tensor, groups: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of frames of different groups that look the same, the first before the second.

    Args:
        images: Prepared frames, shape ``(N, 1, H, W)``.
        groups: Group of each.
    """
    small = F.interpolate(images, (SIDE, SIDE), mode="area").flatten(1)
    small = F.normalize(small - small.mean(dim=1, keepdim=True), dim=1)
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    group = torch.tensor([numbers[name] for name in groups])
    alike = (small @ small.T > LOOK_ALIKE) & (group[:, None] != group[None])
    return [(int(a), int(b)) for a, b in alike.triu(1).nonzero()]
