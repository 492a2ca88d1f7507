"""What a training is worth: everything its report shows, measured on frames whose group has no anchors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from striq.errors import DatasetError
from striq.training.calibration import Calibration
from striq.training.curves import Curve, read_curves
from striq.training.frame_check import PlaneFrames, check_frames
from striq.training.run_options import RunOptions
from striq.training.score_statistics import can_leave_groups_out, unseen_quality
from striq.types import FrameRecord

SATURATED = (0.02, 0.98)  # below and above, Q can hardly tell frames apart


@dataclass(frozen=True)
class PlaneOutcome:
    """One plane of a finished training.

    Attributes:
        check: Its frames before the training.
        support: What it was calibrated on, ``striq.training.plane_support.PlaneSupport`` as a dictionary.
        quality: Q of each training frame against anchors that were chosen without its group, shape ``(N,)``.
        records: The same frames.
        images: The same frames, prepared, shape ``(N, 1, H, W)``.
        anchors: Prepared frames of the anchors, in the order of the bank, shape ``(K, 1, H, W)``.
        lost_structure: Q of some of the frames by kind of loss, each ``(M, S)``, one column per severity.
        negatives: Frames of the negative anchors.
        negative_images: The same frames, prepared, their mirror images behind them if the plane has these,
            shape ``(R, 1, H, W)``.
    """

    check: PlaneFrames
    support: dict[str, Any]
    quality: Tensor
    records: Sequence[FrameRecord]
    images: Tensor
    anchors: Tensor
    lost_structure: dict[str, Tensor]
    negatives: Sequence[FrameRecord]
    negative_images: Tensor

    @property
    def groups_left_out(self) -> bool:
        """Whether the frames were scored without their group; with too few groups, they are without themselves only."""
        return can_leave_groups_out([record.group for record in self.records])

    @property
    def saturated(self) -> float:
        """Share of the frames whose Q is below 0.02 or above 0.98."""
        low, high = SATURATED
        return float(((self.quality < low) | (self.quality > high)).float().mean())

    def rejected(self, threshold: float) -> float:
        """Return the share of the frames whose Q is not above a threshold."""
        return float((self.quality <= threshold).float().mean())


@dataclass(frozen=True)
class TrainingOutcome:
    """A finished training.

    Attributes:
        options: Folders of the run.
        threshold: Q that an accepted frame exceeds.
        planes: The planes that were learned.
        records: All frames, in the order that look-alikes refer to.
        left_out: Each frame that could not be read, with the reason.
        curves: Metrics by epoch, of training and validation; empty if there are none.
        epochs: Number of epochs.
    """

    options: RunOptions
    threshold: float
    planes: Sequence[PlaneOutcome]
    records: Sequence[FrameRecord]
    left_out: Sequence[tuple[FrameRecord, str]]
    curves: dict[str, dict[str, Curve]]
    epochs: int

    @property
    def folder(self) -> Path:
        """Folder of the model."""
        return Path(self.options.output_dir)


Report = Callable[[TrainingOutcome], object]


def outcome_of(calibration: Calibration, options: RunOptions, epochs: int) -> TrainingOutcome:
    """Return the outcome of a training.

    Args:
        calibration: Finished calibration, with losses of structure measured.
        options: Folders of the run.
        epochs: Number of epochs.
    """
    scorer, frames = calibration.scorer, calibration.frames
    checks = {check.plane: check for check in check_frames(frames, scorer.config.quality)}
    planes = []
    for index, of_plane in calibration.of_planes.items():
        name, unseen = scorer.planes[index], calibration.unseen[index]
        lost = calibration.lost_structure.get(index)
        planes.append(
            PlaneOutcome(
                checks[name],
                scorer.info["planes"][name],
                unseen_quality(scorer, index, unseen),
                [frames.records[i] for i in of_plane.frames.tolist()],
                frames.images[of_plane.frames],
                of_plane.anchor_images(),
                {} if lost is None else lost.quality(unseen.terms),
                calibration.negatives.of(name).records,
                calibration.negative_images()[name],
            )
        )
    try:
        curves = read_curves(options.curves_folder)
    except DatasetError:
        curves = {}
    threshold = scorer.config.quality.threshold
    return TrainingOutcome(options, threshold, planes, frames.records, frames.left_out, curves, epochs)


def tenths(quality: Tensor) -> list[list[int]]:
    """Return the rows of each tenth of Q from the lowest up, those nearest to its middle first."""
    place = (quality * 10).long().clamp(0, 9)
    middle = (place + 0.5) / 10
    order = (quality - middle).abs().argsort(stable=True)
    return [[int(row) for row in order if place[row] == tenth] for tenth in torch.arange(10)]
