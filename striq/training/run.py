"""Training of a scorer: prepare, optimize, finish. Resumable, deterministic, and validated without labels."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from monai.utils.misc import set_determinism

from striq.config import StriqConfig, TrainingConfig
from striq.scoring.scorer import StriqScorer
from striq.training.calibration import Calibration
from striq.training.negative_anchors import NegativeFrames
from striq.training.outcome import Report
from striq.training.run_options import RunOptions
from striq.training.setup import make_calibration
from striq.training.trainer import make_steps
from striq.types import FrameRecord


def train_scorer(
    records: Sequence[FrameRecord],
    options: RunOptions,
    *,
    config: StriqConfig | None = None,
    training: TrainingConfig | None = None,
    report: Report | None = None,
    negatives: NegativeFrames | None = None,
) -> StriqScorer:
    """Train a scorer on unlabeled frames, write ``model.pt``, and return the scorer.

    Args:
        records: Training frames. Some groups are held out to choose the best weights; ratings are not looked at.
        options: Folders, device, backbone, and whether to resume.
        config: Settings of the scorer.
        training: Settings of the training.
        report: Called at the end with what the training is worth, such as
            ``striq.reporting.training_page.write_training_page``.
        negatives: Frames of other planes that become negative anchors at the end.

    Raises:
        CheckpointError: If there is nothing to resume from, or the backbone does not fit.
        DatasetError: If a plane has too few frames, or frames cannot become negative anchors.
        ReadError: If a frame of a negative anchor cannot be read.
    """
    training = training or TrainingConfig()
    with determinism(training.seed):
        calibration = make_calibration(records, options, config=config, training=training, negatives=negatives)
        return run_training(calibration, training, options, report)


def run_training(
    calibration: Calibration, training: TrainingConfig, options: RunOptions, report: Report | None = None
) -> StriqScorer:
    """Train the scorer of a calibration, write it, and return it.

    Args:
        calibration: Unprepared calibration.
        training: Settings of the training.
        options: Folders, and whether to resume.
        report: Called at the end with what the training is worth.

    Raises:
        CheckpointError: If there is nothing to resume from.
    """
    steps = make_steps(calibration, training, options, report)
    steps.prepare()
    steps.optimize()
    return steps.finish()


@contextmanager
def determinism(seed: int) -> Generator[None, None, None]:
    """Fix every seed inside the block."""
    set_determinism(seed)
    try:
        yield
    finally:
        set_determinism(None)
