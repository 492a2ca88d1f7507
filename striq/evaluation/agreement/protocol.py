"""Evaluation against human ratings, cross-validated by group or of a given scorer, always with the controls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from striq.baselines.extras import BaselineExtras
from striq.baselines.fitting import find_baselines, score_by_baselines
from striq.data.loading import load_images
from striq.data.splits import group_folds
from striq.evaluation.agreement.controls import score_with_controls
from striq.evaluation.agreement.frames import (
    RatedFrame,
    ScoredFrames,
    as_rated_frames,
    concatenate_scores,
    rated_records,
)
from striq.evaluation.agreement.rated_scores import RATED_SCORES_NAME, write_rated_scores
from striq.evaluation.agreement.report import compare_with_ratings
from striq.evaluation.agreement.supervised import SUPERVISED, check_ratings, score_by_ratings
from striq.evaluation.agreement.tables import EvaluationTable
from striq.evaluation.agreement.training_setup import TrainingSetup
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.training.run import train_scorer
from striq.training.run_options import RunOptions
from striq.types import FrameRecord

logger = logging.getLogger(__name__)
FoldObserver = Callable[[StriqScorer, Sequence[FrameRecord]], None]


def cross_validate(
    records: Sequence[FrameRecord],
    output_dir: str | Path,
    setup: TrainingSetup | None = None,
    *,
    num_folds: int = 5,
    resume: bool = False,
    note: str = "",
    baselines: Sequence[str] = (),
    extras: BaselineExtras | None = None,
    supervised: bool = False,
    observe_fold: FoldObserver | None = None,
) -> EvaluationTable:
    """Train without labels on all folds but one, score that one, and compare all scores with the ratings.

    Args:
        records: Frames; unrated ones are trained on but not scored.
        output_dir: Gets one folder per fold, the scores as CSV and the report.
        setup: How to train; the seed of the training also draws the folds.
        num_folds: Number of folds, by group.
        resume: Keep the folds that an interrupted run with the same settings has trained.
        note: A sentence printed with every table and picture.
        baselines: Names of baselines that are fitted on each fold as well, ``"all"`` for every one.
        extras: What some baselines need beside frames.
        supervised: Also learn the ratings of each fold's training frames, for comparison.
        observe_fold: Called after each fold with its scorer and the rated frames it was not trained on.

    Raises:
        DatasetError: If there are fewer groups than folds, or no ratings, or too few to learn from.
        StriqError: If a baseline is not known, or what it needs is not given.
    """
    find_baselines(baselines, extras)
    setup, output = setup or TrainingSetup(), Path(output_dir)
    frames: list[RatedFrame] = []
    parts: list[ScoredFrames] = []
    folds = group_folds(records, num_folds, seed=setup.training.seed)
    if supervised:
        check_ratings(folds)
    for number, fold in enumerate(folds):
        test = rated_records(fold.test)
        scorer = train_fold(fold.train, output / f"fold_{number}", setup, resume=resume)
        images = load_images(test, scorer.config.encoder.size, quiet=setup.quiet)
        scored = score_with_controls(scorer, images, test, quiet=setup.quiet)
        if baselines or supervised:
            training = load_images(fold.train, scorer.config.encoder.size, quiet=setup.quiet), fold.train
            if baselines:
                scored.scores.update(score_by_baselines(scorer, baselines, training, (images, test), extras))
            if supervised:
                scored.scores[SUPERVISED] = score_by_ratings(scorer, training, (images, test))
        parts.append(scored)
        frames.extend(as_rated_frames(test, number))
        if observe_fold is not None:
            observe_fold(scorer, test)
        logger.info("Fold %d of %d done: %d frames scored", number + 1, num_folds, len(test))
    return write_evaluation(frames, concatenate_scores(parts), output, note=note, seed=setup.training.seed)


def evaluate_scorer(
    scorer: StriqScorer, records: Sequence[FrameRecord], output_dir: str | Path, *, note: str = "", quiet: bool = False
) -> EvaluationTable:
    """Compare a given scorer and its controls with the ratings of frames it was not trained on.

    Args:
        scorer: Fitted scorer.
        records: Frames; those without a rating are left out.
        output_dir: Gets the scores as CSV and the report.
        note: A sentence printed with every table and picture.
        quiet: Do not show progress.

    Raises:
        DatasetError: If no frame is rated.
    """
    rated = rated_records(records)
    images = load_images(rated, scorer.config.encoder.size, quiet=quiet)
    scored = score_with_controls(scorer, images, rated, quiet=quiet)
    return write_evaluation(as_rated_frames(rated), scored, Path(output_dir), note=note)


def write_evaluation(
    frames: Sequence[RatedFrame], scored: ScoredFrames, output_dir: Path, *, note: str = "", seed: int = 0
) -> EvaluationTable:
    """Write the scores of rated frames as CSV, compare them with the ratings and write the report.

    Args:
        frames: N rated frames.
        scored: Their scores.
        output_dir: Folder to write to.
        note: A sentence printed with every table and picture.
        seed: Seed of the bootstrap.
    """
    write_rated_scores(output_dir / RATED_SCORES_NAME, frames, scored)
    return compare_with_ratings(frames, scored, output_dir, note=note, seed=seed)


def train_fold(train: Sequence[FrameRecord], folder: Path, setup: TrainingSetup, *, resume: bool) -> StriqScorer:
    """Return the scorer of a fold, trained now unless a run that is resumed has done so.

    Args:
        train: Frames of all groups but those of the fold.
        folder: Folder of the fold, which gets ``model.pt``.
        setup: How to train.
        resume: Keep or continue what an interrupted run with the same settings has trained.

    Raises:
        DatasetError: If a plane has too few frames.
    """
    options = RunOptions(folder, device=setup.device, backbone=setup.backbone, anchor_images=False, quiet=setup.quiet)
    if resume and options.model_file.is_file():
        return load_scorer(folder, setup.device)
    options = replace(options, resume=resume and options.checkpoint_file.is_file())
    return train_scorer(train, options, config=setup.config, training=setup.training)
