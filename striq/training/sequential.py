"""Training of planes one after another: each is added to a scorer that knows the earlier ones."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from striq.anchors.thumbnails import copy_thumbnails
from striq.config import StriqConfig, TrainingConfig
from striq.data.loading import load_readable_images
from striq.errors import DatasetError
from striq.scoring.devices import pick_device
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.training.calibration import Calibration
from striq.training.continual import frozen, learning_only
from striq.training.extension import extend_scorer
from striq.training.negative_anchors import NegativeFrames
from striq.training.outcome import Report
from striq.training.run import determinism, run_training, train_scorer
from striq.training.run_options import RunOptions
from striq.training.setup import make_cache
from striq.training.training_frames import TrainingFrames, held_out_frames
from striq.types import FrameRecord

logger = logging.getLogger(__name__)


def train_sequential(
    records: Sequence[FrameRecord],
    options: RunOptions,
    *,
    order: Sequence[str] = (),
    protect: bool = True,
    config: StriqConfig | None = None,
    training: TrainingConfig | None = None,
    report: Report | None = None,
    negatives: NegativeFrames | None = None,
) -> StriqScorer:
    """Train plane by plane and write ``model.pt``; frames of a plane are not seen again after it has been learned.

    Args:
        records: Training frames.
        options: As for ``train_scorer``. Each plane gets a folder with the scorer after that plane. Resuming keeps the
            planes already learned and continues the unfinished one.
        order: Planes in the order of learning; sorted by name by default.
        protect: False lets later planes change the general expert freely (an ablation).
        config: Settings of the scorer.
        training: Settings of the training on each plane.
        report: Called after each plane with what its training is worth.
        negatives: Frames of other planes that become negative anchors of a plane when it has been learned.

    Raises:
        DatasetError: If a plane has no frames or too few, or frames cannot become negative anchors.
        ReadError: If a frame of a negative anchor cannot be read.
    """
    negatives = negatives or NegativeFrames()
    planes = tuple(order or sorted({record.plane for record in records}))
    scorer: StriqScorer | None = None
    learned = [record for record in records if record.plane in planes]
    negatives.check(learned, config or StriqConfig())
    for index, plane in enumerate(planes):
        of_plane = [record for record in records if record.plane == plane]
        if not of_plane:
            msg = f"No frames of the plane {plane!r} to learn from. Planes with frames: {_planes_of(records)}."
            raise DatasetError(msg)
        stage = _stage_options(options, index, plane)
        if options.resume and stage.model_file.is_file():
            scorer = load_scorer(stage.output_dir, str(options.device))
            continue
        logger.info("Learning %s", plane)
        given: dict[str, Any] = {"training": training, "report": report, "negatives": negatives.of(plane)}
        if scorer is None:
            scorer = train_scorer(of_plane, stage, config=config, **given)
        else:
            scorer = add_plane(scorer, of_plane, stage, protect=protect, **given)
    if scorer is None:
        msg = "No frames to learn from."
        raise DatasetError(msg)
    scorer.save(options.model_file)
    for index, plane in enumerate(scorer.planes):
        copy_thumbnails(stage_folder(options.output_dir, index, plane), options.model_file.parent, [plane])
    return scorer


def stage_folder(output_dir: str | Path, index: int, plane: str) -> Path:
    """Return where the scorer after the plane at ``index`` of the order is written."""
    return Path(output_dir) / f"{index + 1:02d}_{plane}"


def add_plane(
    scorer: StriqScorer,
    records: Sequence[FrameRecord],
    options: RunOptions,
    *,
    protect: bool = True,
    training: TrainingConfig | None = None,
    report: Report | None = None,
    negatives: NegativeFrames | None = None,
) -> StriqScorer:
    """Return a scorer that knows one more plane, and write ``model.pt``; the given scorer stays as it is.

    Anchors, mean map, ranges and expert of the new plane are added, and the general expert learns from it. Encoder,
    aligner and everything that belongs to earlier planes stay as they are.

    Args:
        scorer: Trained scorer.
        records: Unlabeled frames of the new plane; ratings are not looked at.
        options: As for ``train_scorer``, but without a backbone: the scorer has one.
        protect: False lets the new plane change the general expert freely (an ablation).
        training: Settings of the training.
        report: Called at the end with what the training is worth.
        negatives: Frames of other planes that become negative anchors of the new plane.

    Raises:
        CheckpointError: If there is nothing to resume from.
        DatasetError: If the records are of several planes, of one the scorer knows, or too few, or frames cannot become
            negative anchors.
        ReadError: If a frame of a negative anchor cannot be read.
    """
    training, known = training or TrainingConfig(), len(scorer.planes)
    names = sorted({record.plane for record in records})
    if len(names) != 1 or names[0] in scorer.planes:
        msg = f"Expected frames of one plane other than {', '.join(scorer.planes)}; got: {', '.join(names) or 'none'}."
        raise DatasetError(msg)
    options.check_resumable()
    if negatives is not None:
        negatives.check(records, scorer.config)
    with determinism(training.seed):
        extended = extend_scorer(scorer, names).to(pick_device(str(options.device)))
        size, left_out = extended.config.encoder.size, list[tuple[FrameRecord, str]]()
        records, images = load_readable_images(records, size, quiet=options.quiet, left_out=left_out)
        held_out = held_out_frames(records, training)
        calibration = Calibration(
            extended,
            TrainingFrames(images, list(records), held_out, tuple(left_out)),
            make_cache(images, options, training),
            seed=training.seed,
            pretrained=True,
            known=known,
            keep_paths=options.keep_paths,
            negatives=negatives,
        )
        with frozen(extended.model.aligner), learning_only(extended.model.subspace, known, protect=protect):
            return run_training(calibration, training, options, report)


def _stage_options(options: RunOptions, index: int, plane: str) -> RunOptions:
    folder = stage_folder(options.output_dir, index, plane)
    stage = replace(options, output_dir=folder, work_dir=None, resume=False)
    return replace(stage, resume=options.resume and stage.checkpoint_file.is_file())


def _planes_of(records: Sequence[FrameRecord]) -> str:
    return ", ".join(sorted({record.plane for record in records})) or "none"
