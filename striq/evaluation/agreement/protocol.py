"""Evaluation against human ratings: cross-validated by group, or of a given scorer; always beside the controls."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from striq.config import StriqConfig, TrainingConfig
from striq.data.loading import load_images
from striq.data.splits import group_folds
from striq.errors import DatasetError
from striq.evaluation.agreement.controls import ScoredFrames, score_with_controls
from striq.evaluation.agreement.rated_scores import SCORES_NAME, RatedFrame, compare, write_scores
from striq.evaluation.agreement.tables import EvaluationTable
from striq.evaluation.studies.robustness import STRUCTURE_FRAMES, ChangedScores, join, score_changed
from striq.evaluation.studies.robustness_report import write_robustness
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.training.trainer import MODEL_NAME, RESUME_NAME, train_scorer
from striq.types import FrameRecord

logger = logging.getLogger(__name__)


def cross_validate(
    records: Sequence[FrameRecord],
    output_dir: str | Path,
    *,
    num_folds: int = 5,
    config: StriqConfig | None = None,
    training: TrainingConfig | None = None,
    backbone: str | Path | None = None,
    device: str = "auto",
    note: str = "",
    robustness: bool = False,
    resume: bool = False,
    quiet: bool = False,
) -> EvaluationTable:
    """Train without labels on all folds but one, score that one, and compare all scores with the ratings.

    Args:
        records: Frames; unrated ones train but are not scored.
        output_dir: Gets one folder per fold and the table as JSON, Markdown, CSV and picture.
        num_folds: Folds, by group.
        config: Settings of the scorer.
        training: Settings of the training; its seed also draws the folds.
        backbone: Local weights of the encoder.
        device: ``"auto"``, or a device of PyTorch.
        note: A sentence printed beside every figure.
        robustness: Also score frames under nuisance and with structure lost, many scores per frame.
        resume: Keep the folds that an interrupted run with the same settings has trained.
        quiet: Do not show progress.

    Raises:
        DatasetError: If there are fewer groups than folds, or no ratings.
    """
    training, output = training or TrainingConfig(), Path(output_dir)
    rated: list[RatedFrame] = []
    parts: list[ScoredFrames] = []
    changed: list[ChangedScores] = []
    for number, fold in enumerate(group_folds(records, num_folds, seed=training.seed)):
        folder = output / f"fold_{number}"
        test = rated_records(fold.test)
        if resume and (folder / MODEL_NAME).is_file():
            scorer = load_scorer(folder, device)
        else:
            scorer = train_scorer(
                fold.train,
                folder,
                config=config,
                training=training,
                backbone=backbone,
                device=device,
                resume=resume and (folder / RESUME_NAME).is_file(),
                anchor_images=False,
                quiet=quiet,
            )
        images = load_images(test, scorer.config.encoder.size, quiet=quiet)
        parts.append(score_with_controls(scorer, images, test, quiet=quiet))
        rated.extend(_as_rated(test, number))
        if robustness:
            share = max(1, STRUCTURE_FRAMES // num_folds)
            changed.append(score_changed(scorer, test, structure_frames=share, quiet=quiet))
        logger.info("Fold %d of %d done: %d frames scored", number + 1, num_folds, len(test))
    if robustness:
        write_robustness(join(changed), output, note=note)
    return _report(rated, _join(parts), output, note=note, seed=training.seed)


def evaluate_scorer(
    scorer: StriqScorer,
    records: Sequence[FrameRecord],
    output_dir: str | Path,
    *,
    note: str = "",
    robustness: bool = False,
    quiet: bool = False,
) -> EvaluationTable:
    """Compare a given scorer and its controls with the ratings of frames it was not fitted on.

    Args:
        scorer: Fitted scorer.
        records: Rated frames; those without a rating are left out.
        output_dir: Gets the table as JSON, Markdown, CSV and picture.
        note: A sentence printed beside every figure.
        robustness: Also score frames under nuisance and with structure lost, many scores per frame.
        quiet: Do not show progress.

    Raises:
        DatasetError: If no frame is rated.
    """
    rated = rated_records(records)
    if robustness:
        write_robustness(score_changed(scorer, rated, quiet=quiet), Path(output_dir), note=note)
    images = load_images(rated, scorer.config.encoder.size, quiet=quiet)
    scored = score_with_controls(scorer, images, rated, quiet=quiet)
    return write_evaluation(rated, scored, Path(output_dir), note=note)


def write_evaluation(
    records: Sequence[FrameRecord], scored: ScoredFrames, output_dir: Path, *, note: str = ""
) -> EvaluationTable:
    """Compare the scores of a given scorer with the ratings, and write them and the table.

    Args:
        records: Rated frames.
        scored: Their scores.
        output_dir: Gets the table as JSON, Markdown, CSV and picture.
        note: A sentence printed beside every figure.
    """
    return _report(_as_rated(records, 0), scored, output_dir, note=note, seed=0)


def rated_records(records: Sequence[FrameRecord]) -> list[FrameRecord]:
    """Return the records that have a rating.

    Raises:
        DatasetError: If there is none.
    """
    rated = [record for record in records if record.rating is not None]
    if not rated:
        msg = "No frame has a rating to compare scores with. Give a rating table or a 'rating' column."
        raise DatasetError(msg)
    return rated


def _join(parts: Sequence[ScoredFrames]) -> ScoredFrames:
    scores = {name: np.concatenate([part.scores[name] for part in parts]) for name in parts[0].scores}
    return ScoredFrames(scores, np.concatenate([part.accepted for part in parts]))


def _as_rated(records: Sequence[FrameRecord], fold: int) -> list[RatedFrame]:
    return [RatedFrame(r.path.name, r.plane, r.group, float(r.rating or 0.0), fold) for r in records]


def _report(
    frames: Sequence[RatedFrame], scored: ScoredFrames, output: Path, *, note: str, seed: int
) -> EvaluationTable:
    write_scores(output / SCORES_NAME, frames, scored)
    return compare(frames, scored, output, note=note, seed=seed)
