"""Quality benchmark: several planes at once, cross-fitted by group, always with the controls.

Each fold trains one model on the training groups of all planes. Every figure is on frames of groups, scanners or planes
that the model has not seen. ``striq.evaluation.studies.benchmark`` times a score instead.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import striq
from striq.atomic_files import write_json
from striq.data.loading import iterate_images, read_frame
from striq.data.preprocessing import prepare_frame
from striq.data.splits import Fold, group_folds
from striq.errors import DatasetError, StriqError
from striq.evaluation.agreement.controls import Control, all_scores
from striq.evaluation.agreement.protocol import train_fold
from striq.evaluation.agreement.tables import MEAN
from striq.evaluation.agreement.training_setup import TrainingSetup
from striq.evaluation.studies.fingerprints import check_fingerprint, digest, fingerprint
from striq.evaluation.studies.quality_benchmark_scores import FoldScores, UnseenFrames, score_fold
from striq.progress_bar import track
from striq.quality.terms import complete_weights
from striq.types import FrameRecord

logger = logging.getLogger(__name__)
SETTINGS_NAME, SCORES_NAME = "settings.json", "scores.npz"


@dataclass(frozen=True)
class BenchmarkScores:
    """Scores of all folds.

    Attributes:
        held_out: Held-out frames of each fold.
        folds: Their scores, and those of the unseen frames, by the model of each fold.
        unseen: Frames that no fold is trained on.
    """

    held_out: tuple[Sequence[FrameRecord], ...]
    folds: tuple[FoldScores, ...]
    unseen: Sequence[FrameRecord]

    def only(self, fold: int) -> BenchmarkScores:
        """Return the scores of one fold."""
        return BenchmarkScores(self.held_out[fold : fold + 1], self.folds[fold : fold + 1], self.unseen)

    @property
    def planes(self) -> tuple[str, ...]:
        """Planes of the models."""
        return self.folds[0].planes

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scores, the quality score first."""
        return self.folds[0].names

    @property
    def records(self) -> list[FrameRecord]:
        """Held-out frames of all folds, one fold after the other."""
        return [record for part in self.held_out for record in part]


def run_benchmark(
    records: Sequence[FrameRecord],
    unseen: Sequence[FrameRecord],
    output_dir: str | Path,
    setup: TrainingSetup | None = None,
    *,
    num_folds: int = 5,
    nuisance_frames: int | None = None,
) -> BenchmarkScores:
    """Train without labels on all folds but one, score that one and the unseen frames, fold by fold.

    A fold that is in ``output_dir`` already is not trained or scored again. Scores are made again, by the same models,
    where the unseen frames or the controls have changed.

    Args:
        records: Frames of one or more planes.
        unseen: Frames never trained on, of known planes by other scanners or of other things. Those that cannot be read
            are reported and left out.
        output_dir: Gets one folder per fold.
        setup: How to train; the seed of the training also draws the folds.
        num_folds: Number of folds, by group.
        nuisance_frames: Frames of each plane, over all folds, that are changed by nuisances; all by default.

    Raises:
        DatasetError: If a plane has fewer groups than folds, or a file is both trained on and unseen.
        ReadError: If a file of ``records`` cannot be read.
        StriqError: If the folds in ``output_dir`` were trained with other frames or settings.
    """
    setup, output = setup or TrainingSetup(), Path(output_dir)
    _check_frames(records, unseen)
    folds = group_folds(records, num_folds, seed=setup.training.seed)
    readable = _read_unseen(unseen, setup)
    trained_with = _training_digest(records, setup, num_folds)
    run = _FoldRun(output, setup, trained_with, readable, all_scores(), num_folds, nuisance_frames)
    found = [run.stored(number, fold) for number, fold in enumerate(folds)]
    if None in found:
        for _ in iterate_images(records, setup.config.encoder.size, quiet=setup.quiet):
            pass  # a file that cannot be read is refused now, not after hours of training
    scores: list[FoldScores] = []
    for number, (fold, known) in enumerate(zip(folds, found, strict=True)):
        scores.append(known or run.run(number, fold))
        logger.info("Fold %d of %d done: %d frames scored", number + 1, num_folds, len(fold.test))
    return BenchmarkScores(tuple(fold.test for fold in folds), tuple(scores), readable.records)


@dataclass(frozen=True)
class _FoldRun:
    """What all folds have in common."""

    output: Path
    setup: TrainingSetup
    trained_with: str
    unseen: UnseenFrames
    functions: Mapping[str, Control]
    num_folds: int
    nuisance_frames: int | None

    def stored(self, number: int, fold: Fold) -> FoldScores | None:
        """Return the scores of a fold if they are stored.

        Raises:
            StriqError: If the fold was trained with other frames or settings.
        """
        settings = self._folder(number) / SETTINGS_NAME
        if settings.is_file():
            found = json.loads(settings.read_text(encoding="utf-8")).get("trained_with")
            check_fingerprint(found, self.trained_with, settings.parent)
        return FoldScores.load(self._folder(number) / SCORES_NAME, self._made_of(fold))

    def run(self, number: int, fold: Fold) -> FoldScores:
        """Train and score a fold, and store the scores."""
        folder = self._folder(number)
        write_json(folder / SETTINGS_NAME, {"trained_with": self.trained_with})
        scorer = train_fold(fold.train, folder, self.setup, resume=True)
        scores = score_fold(
            scorer,
            fold.test,
            self.unseen,
            self.functions,
            num_folds=self.num_folds,
            nuisance_frames=self.nuisance_frames,
            quiet=self.setup.quiet,
        )
        scores.save(folder / SCORES_NAME, self._made_of(fold))
        return scores

    def _folder(self, number: int) -> Path:
        return self.output / f"fold_{number}"

    def _made_of(self, fold: Fold) -> str:
        frames = [_unrated_fingerprint(fold.test), fingerprint(self.unseen.records)]
        return digest([self.trained_with, *frames, list(self.functions), self.nuisance_frames])


def _training_digest(records: Sequence[FrameRecord], setup: TrainingSetup, num_folds: int) -> str:
    """Return the digest of everything that decides what the folds learn."""
    weights = complete_weights(setup.config.quality.weights)
    settings = [setup.config.to_dict(), weights, vars(setup.training), str(setup.backbone), striq.__version__]
    return digest([_unrated_fingerprint(records), settings, num_folds])


def _unrated_fingerprint(records: Sequence[FrameRecord]) -> str:
    """Return the digest of frames without their ratings and whatever their order: neither moves a score."""
    ordered = sorted(records, key=lambda record: (record.path, record.frame_index))
    return fingerprint([replace(record, rating=None) for record in ordered])


def _check_frames(records: Sequence[FrameRecord], unseen: Sequence[FrameRecord]) -> None:
    """Refuse what would make a figure wrong.

    Raises:
        DatasetError: If a file is both trained on and unseen, or a plane has the name of the mean over planes.
    """
    both = sorted({record.path.resolve() for record in records} & {record.path.resolve() for record in unseen})
    if both:
        msg = f"{both[0]}: is among the frames to train on and among the unseen ones. Leave it out of one of the lists."
        raise DatasetError(msg)
    if MEAN in {record.plane for record in records}:
        msg = f"No plane may be called {MEAN!r}, the name of the mean over planes. Rename it."
        raise DatasetError(msg)


def _read_unseen(unseen: Sequence[FrameRecord], setup: TrainingSetup) -> UnseenFrames:
    """Read and prepare the unseen frames; those that cannot be read are reported and left out."""
    size, records, images = setup.config.encoder.size, list[FrameRecord](), list[torch.Tensor]()
    for record in track(unseen, description="Reading unseen frames", quiet=setup.quiet):
        try:
            images.append(prepare_frame(read_frame(record), size))
        except StriqError as error:
            logger.warning("left out: %s", error)
        else:
            records.append(record)
    return UnseenFrames(records, torch.stack(images) if images else torch.zeros(0, 1, *size))
