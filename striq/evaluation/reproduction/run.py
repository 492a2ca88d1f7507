"""A reproduction: the frames, the settings, and the scores and ablation rows that several parts share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from torch import Tensor

import striq
from striq.baselines.extras import BaselineExtras
from striq.data.loading import load_images
from striq.data.splits import group_folds
from striq.errors import StriqError
from striq.evaluation.agreement.comparison import evaluate_scores
from striq.evaluation.agreement.frames import RatedFrame, ScoredFrames, rated_records
from striq.evaluation.agreement.protocol import cross_validate
from striq.evaluation.agreement.rated_scores import RATED_SCORES_NAME, read_rated_scores
from striq.evaluation.agreement.tables import EvaluationTable
from striq.evaluation.agreement.training_setup import TrainingSetup
from striq.evaluation.statistics.bootstrap import NUM_RESAMPLES, BootstrapOptions
from striq.evaluation.studies.ablation import AblationData, AblationRunner
from striq.evaluation.studies.ablation_report import AblationRow, compare_with_reference
from striq.evaluation.studies.ablation_rows import REFERENCE, ablation_rows
from striq.evaluation.studies.fingerprints import digest, fingerprint
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord

logger = logging.getLogger(__name__)
EVALUATION, ABLATION = "evaluation", "ablation"  # folders of what several parts share
TEST_SHARE = 0.5  # of the groups, scored in ablations
RESAMPLES_PER_COMPARISON = 100  # so that the smallest p value, 1 / (1 + resamples), is small after Holm's correction


@dataclass
class ReproductionRun:
    """One reproduction on one data set.

    Attributes:
        records_of_seed: Returns the frames of a seed; a given data set has the same for every seed.
        folder: Folder for all results.
        setup: How to train.
        data: What the frames are, in words.
        note: A sentence printed with every table and picture.
        num_folds: Folds of the cross-validation.
        num_seeds: Seeds of the ablations.
        extras: What some baselines need beside frames.
    """

    records_of_seed: Callable[[int], Sequence[FrameRecord]]
    folder: Path
    setup: TrainingSetup
    data: str
    note: str = ""
    num_folds: int = 5
    num_seeds: int = 3
    extras: BaselineExtras = field(default_factory=BaselineExtras)
    _results: dict[tuple[str, int], dict[str, float]] = field(default_factory=dict[tuple[str, int], dict[str, float]])
    _last_runner: AblationRunner | None = None

    @cached_property
    def records(self) -> Sequence[FrameRecord]:
        """Frames of the evaluation."""
        return self.records_of_seed(self.setup.training.seed)

    @property
    def made_of(self) -> str:
        """Digest of frames, settings and version: a finished part with another one is not kept."""
        settings = [self.setup.config.to_dict(), vars(self.setup.training), str(self.setup.backbone)]
        counts = [self.num_folds, self.num_seeds, self.note, self.extras.names, striq.__version__]
        return digest([fingerprint(self.records), settings, counts])

    @cached_property
    def scores(self) -> tuple[list[RatedFrame], ScoredFrames]:
        """Rated frames and all their scores, cross-validated now unless an earlier part has done so."""
        folder = self.folder / EVALUATION / self.made_of
        file = folder / RATED_SCORES_NAME
        if not file.is_file():
            cross_validate(
                self.records,
                folder,
                self.setup,
                num_folds=self.num_folds,
                resume=True,
                note=self.note,
                baselines=("all",),
                extras=self.extras,
            )
        return read_rated_scores(file)

    @cached_property
    def agreement(self) -> EvaluationTable:
        """Agreement of all scores with the ratings."""
        frames, scored = self.scores
        comparisons = (len(scored.scores) - 1) * len({frame.plane for frame in frames})
        resamples = max(NUM_RESAMPLES, RESAMPLES_PER_COMPARISON * comparisons)
        options = BootstrapOptions(self.setup.training.seed, resamples)
        return evaluate_scores(frames, scored, bootstrap=options, note=self.note)

    @cached_property
    def rated(self) -> list[FrameRecord]:
        """Records of the frames of :attr:`scores`, in the same order."""
        folds = group_folds(self.records, self.num_folds, seed=self.setup.training.seed)
        found = [record for fold in folds for record in rated_records(fold.test)]
        frames = self.scores[0]
        if [(r.path.name, r.plane, r.group) for r in found] != [(f.file, f.plane, f.group) for f in frames]:
            msg = f"{self.folder / EVALUATION}: its scores are of other frames. Remove the folder."
            raise StriqError(msg)
        return found

    def first_fold(self) -> tuple[StriqScorer, list[FrameRecord]]:
        """Return the scorer of the first fold and the rated frames that it was not trained on."""
        frames, _ = self.scores
        model = self.folder / EVALUATION / self.made_of / "fold_0"
        held_out = [record for record, frame in zip(self.rated, frames, strict=True) if frame.fold == 0]
        return load_scorer(model, self.setup.device), held_out

    def images(self, records: Sequence[FrameRecord]) -> Tensor:
        """Return prepared frames, shape ``(N, 1, H, W)``."""
        return load_images(records, self.setup.config.encoder.size, quiet=self.setup.quiet)

    def ablate(self, names: Sequence[str]) -> list[AblationRow]:
        """Return rows of the ablation beside the unchanged settings, over all seeds; finished rows are kept.

        Args:
            names: Names of rows; the reference is always the first of the result.
        """
        chosen, known = list(dict.fromkeys([REFERENCE, *names])), ablation_rows()
        for seed in range(self.num_seeds):
            missing = [name for name in chosen if (name, seed) not in self._results]
            if missing:
                runner = self._runner(seed)
                self._results.update({(name, seed): runner.run(name, known[name]) for name in missing})
        return compare_with_reference(
            {name: [self._results[name, seed] for seed in range(self.num_seeds)] for name in chosen}
        )

    def _runner(self, seed: int) -> AblationRunner:
        """Return the runner of a seed; the last one is kept, with its features."""
        if self._last_runner is not None and self._last_runner.data.seed == seed:
            return self._last_runner
        config = self.setup.config
        data = AblationData.load(
            self.records_of_seed(seed),
            seed=seed,
            size=config.encoder.size,
            test_fraction=TEST_SHARE,
            quiet=self.setup.quiet,
        )
        self._last_runner = AblationRunner(data, self.ablation_folder, self.setup)
        return self._last_runner

    @property
    def ablation_folder(self) -> Path:
        """Folder of the results of the ablation."""
        return self.folder / ABLATION / self.made_of
