"""The three steps of a training, in the order in which ``run.py`` and the bundle's ``train.json`` call them."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass

from monai.engines.trainer import SupervisedTrainer

from striq.anchors.provenance import NEGATIVE
from striq.anchors.thumbnails import write_thumbnails
from striq.scoring.scorer import StriqScorer
from striq.training.calibration import Calibration
from striq.training.distributed import is_first
from striq.training.frame_check import check_frames
from striq.training.outcome import Report, outcome_of
from striq.training.progress import KeepBest, Progress
from striq.training.progress_bar import show_progress
from striq.training.run_options import RunOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSteps:
    """What the steps of a training work on.

    Attributes:
        calibration: Unprepared calibration of the scorer.
        trainer: Trains the scorer's model.
        best: Keeps the best weights.
        progress: Saves the state of the training after each epoch.
        options: Folders, and whether to resume.
        report: Called at the end with what the training is worth; without one, nothing is said of the frames before
            the training, and losses of structure are not measured.
    """

    calibration: Calibration
    trainer: SupervisedTrainer
    best: KeepBest
    progress: Progress
    options: RunOptions
    report: Report | None = None

    def prepare(self) -> None:
        """Compute features, starting values and anchors; continue from the checkpoint if the run resumes."""
        self.options.check_resumable()
        if self.report is not None and is_first():
            self._describe_frames()
        self.calibration.prepare()
        self.progress.attach(self.trainer)
        if self.options.resume:
            self.progress.load()

    def optimize(self) -> None:
        """Run the epochs that are left: none if the run was interrupted after the last."""
        if self.trainer.state.epoch < self.trainer.state.max_epochs:
            with show_progress(self.trainer, quiet=self.options.quiet):
                self.trainer.run()

    def finish(self) -> StriqScorer:
        """Restore the best weights, complete the scorer, write it, and return it; of several processes one writes."""
        scorer = self.calibration.scorer
        self.best.restore()
        reports = self.report is not None and is_first()
        self.calibration.finish(measure_losses=reports)
        scorer.info["epochs"] = int(self.trainer.state.epoch)
        if is_first():
            scorer.save(self.options.model_file)
            if self.options.anchor_images:
                folder = self.options.model_file.parent
                write_thumbnails(folder, self.calibration.anchor_images())
                write_thumbnails(folder, self.calibration.negative_images(), NEGATIVE)
            logger.info("Wrote %s", self.options.model_file)
        if self.report is not None and reports:
            self.report(outcome_of(self.calibration, self.options, int(self.trainer.state.epoch)))
        shutil.rmtree(self.options.features_folder, ignore_errors=True)
        return scorer.eval()

    def _describe_frames(self) -> None:
        frames = self.calibration.frames
        for plane in check_frames(frames, self.calibration.scorer.config.quality):
            for level, line in plane.lines(frames.records):
                logger.log(level, "%s", line)
