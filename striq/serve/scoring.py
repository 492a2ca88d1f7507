"""Scoring of one object and reporting of one study with a loaded model, in a worker."""

from __future__ import annotations

from pathlib import Path

from striq.audit.attributes import read_attributes
from striq.audit.plan import ArchiveFile, AuditSettings
from striq.audit.scoring import score_batch
from striq.policies.reading import parse_policy
from striq.reporting.explained_frame import FrameExplainer
from striq.reporting.frame_pictures import Explain
from striq.reporting.identity import ModelIdentity
from striq.scoring.checkpoint import find_checkpoint
from striq.scoring.devices import check_device
from striq.scoring.loading import load_scorer
from striq.scoring.threads import use_threads
from striq.serve.history import Operators, write_rows
from striq.serve.layout import Layout
from striq.serve.messages import ReportJob, StudyFigures
from striq.serve.queue import QueuedObject
from striq.serve.settings import ServeSettings
from striq.serve.study_report import StudyReporter
from striq.toml_files import read_toml_text
from striq.types import Frame, FrameScore


class ObjectScorer:
    """A loaded model that scores objects and reports studies.

    Args:
        settings: Settings of the service.
        device: Device to compute on.
        threads: Threads that compute.

    Raises:
        StriqError: If there is no such model, device or plane.
    """

    def __init__(self, settings: ServeSettings, device: str, threads: int) -> None:
        use_threads(threads)
        chosen, self.layout = settings.scoring, Layout(settings.root)
        checkpoint = find_checkpoint(Path(chosen.model) if chosen.model else None)
        self.scorer = load_scorer(checkpoint, check_device(device), precision=chosen.precision)
        self.scorer.score([], chosen.plane)
        threshold = self.scorer.config.quality.threshold if chosen.threshold is None else chosen.threshold
        policy = read_toml_text(Path(chosen.policy)) if chosen.policy else ""
        self.model = ModelIdentity.of(checkpoint, threshold, parse_policy(policy) if policy else None)
        self.settings = AuditSettings(
            self.model.sha256,
            self.model.name,
            "",
            threshold,
            plane=chosen.plane,
            max_frames_per_cine=chosen.max_frames_per_cine,
            policy=policy,
            planes=tuple(self.scorer.planes),
        )
        self.operators = Operators(settings.reports.operators, self.layout.operator_key)
        explain = self._explainer(checkpoint) if settings.reports.explain else None
        self.reporter = StudyReporter(self.layout, settings.reports, self.model, tuple(self.scorer.planes), explain)

    def score(self, one: QueuedObject) -> int:
        """Score an object, write its rows, and return the number of its frames."""
        path = self.layout.source(one.study_uid, one.instance_uid, one.digest)
        file = ArchiveFile(str(path), attributes=self.operators.hide(read_attributes(path)))
        rows = score_batch(self.scorer, [file], self.settings)
        write_rows(self.layout.result(one.number), rows, self.settings)
        return sum(row.result.index is not None for row in rows)

    def report(self, job: ReportJob) -> StudyFigures:
        """Write all about a study."""
        return self.reporter.write(job)

    def _explainer(self, checkpoint: Path) -> Explain:
        explainer = FrameExplainer(self.scorer, checkpoint)

        def explain(frame: Frame, score: FrameScore):
            del score
            return explainer.explain(frame, self.settings.plane, self.settings.threshold)

        return explain
