"""What is written about a complete study: structured reports, key objects, a page and a message, in a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import striq
from striq.atomic_files import write_json
from striq.audit.attributes import read_attributes
from striq.audit.row_results import result_of
from striq.data.readers import open_cine
from striq.errors import ReadError, StriqError
from striq.policies.completeness import check_completeness
from striq.reporting.best_frames import best_frames, write_best_frames
from striq.reporting.cine_figures import CineFigures
from striq.reporting.frame_pictures import Explain
from striq.reporting.html_report import CineReport, report_cine, write_html
from striq.reporting.identity import ModelIdentity
from striq.reporting.report_uids import derived_uid
from striq.reporting.structured_report import write_structured_report
from striq.scoring.results import FrameResult
from striq.serve.history import read_rows
from striq.serve.layout import Layout
from striq.serve.messages import ReportJob, StudyFigures
from striq.serve.outbox import KEY_OBJECTS, REPORT, WEBHOOK, Item
from striq.serve.queue import QueuedObject
from striq.serve.settings import Reports


class StudyReporter:
    """Writes all about complete studies.

    Args:
        layout: Paths of the service.
        settings: What to write.
        model: The model that scores, with the policy.
        planes: Planes that the model knows.
        explain: Returns what the score of a frame rests on; ``None`` to leave it out.
    """

    def __init__(
        self,
        layout: Layout,
        settings: Reports,
        model: ModelIdentity,
        planes: Sequence[str],
        explain: Explain | None,
    ) -> None:
        self.layout, self.settings, self.model, self.planes, self.explain = layout, settings, model, planes, explain

    def write(self, job: ReportJob) -> StudyFigures:
        """Write the files of a study; the same job gives instances with the same UIDs.

        Raises:
            OSError: If a file cannot be written.
        """
        folder = self.layout.reports(job.study.uid, job.study.revision)
        cines = {self._source(one): self._results(one) for one in job.objects}
        reports = [self._report(folder, one, cines[self._source(one)]) for one in job.objects if one.number in job.new]
        items = [item for item in reports if item is not None]
        if self.settings.key_objects:
            items += self._key_objects(folder, job, cines)
        if self.settings.pages:
            pages = [self._cine(path, results) for path, results in cines.items()]
            write_html(self.layout.page(job.study.uid), pages, self.model)
        new = [result for one in job.objects if one.number in job.new for result in cines[self._source(one)]]
        not_scored = reports.count(None) + job.num_dead
        items.append(self._message(folder, job, cines, items, not_scored))
        return StudyFigures(tuple(items), _planes(new), not_scored)

    def _source(self, one: QueuedObject) -> Path:
        return self.layout.source(one.study_uid, one.instance_uid, one.digest)

    def _results(self, one: QueuedObject) -> list[FrameResult]:
        return [result_of(row) for row in read_rows(self.layout.result(one.number))]

    def _report(self, folder: Path, one: QueuedObject, results: Sequence[FrameResult]) -> Item | None:
        """Write the structured report of an object; ``None`` if it could not be opened or lacks identifiers."""
        if results[0].index is None:
            return None
        path = folder / f"{one.number}.sr.dcm"
        try:
            write_structured_report(path, self._source(one), results, self.model, key=one.digest)
        except ReadError:
            return None
        return self._item(REPORT, path)

    def _key_objects(self, folder: Path, job: ReportJob, cines: dict[Path, list[FrameResult]]) -> list[Item]:
        frames = best_frames(cines)
        if not frames:
            return []
        path = folder / "key_objects.dcm"
        try:
            write_best_frames(path, frames, self.model, key=str(job.study.revision))
        except ReadError:
            return []
        return [self._item(KEY_OBJECTS, path)]

    def _item(self, kind: str, path: Path) -> Item:
        import pydicom

        header = pydicom.dcmread(path, specific_tags=["SOPInstanceUID"])
        return Item(kind, str(header.SOPInstanceUID), str(path.relative_to(self.layout.root)))

    def _cine(self, path: Path, results: Sequence[FrameResult]) -> CineReport:
        try:
            return report_cine(results[0].source, results, open_cine(path).__getitem__, self.explain)
        except StriqError:  # as for a file that cannot be opened, whose result says why
            return CineReport(results[0].source, tuple(results))

    def _message(
        self, folder: Path, job: ReportJob, cines: dict[Path, list[FrameResult]], items: Sequence[Item], not_scored: int
    ) -> Item:
        uid = str(derived_uid("study complete", job.study.uid, str(job.study.revision), self.model.sha256))
        figures = CineFigures.of([result for results in cines.values() for result in results])
        message = {
            "event": "study complete",
            "id": uid,
            "study_instance_uid": job.study.uid,
            "revision": job.study.revision,
            "last_received": datetime.fromtimestamp(job.study.last_received, timezone.utc).isoformat(),
            "striq_version": striq.__version__,
            "model": {"name": self.model.name, "sha256": self.model.sha256, "threshold": self.model.threshold},
            "policy": None if self.model.policy is None else str(self.model.policy),
            "objects": len(job.objects),
            "objects_without_report": not_scored,
            "frames": figures.num_frames,
            "frames_accepted": figures.num_accepted,
            "frames_not_scored": figures.num_not_scored,
            "best_frames": [_best(path, score) for path, score in best_frames(cines)],
            "completeness": self._completeness(cines),
            "reports": [item.instance_uid for item in items],
            "intended_use": "For research only, not for diagnosis",
        }
        path = write_json(folder / "message.json", message)
        return Item(WEBHOOK, uid, str(path.relative_to(self.layout.root)))

    def _completeness(self, cines: Mapping[Path, Sequence[FrameResult]]) -> dict[str, Any] | None:
        """Return what the study has of the required planes; ``None`` without a policy or an examination type."""
        policy = self.model.policy
        descriptions = [read_attributes(path).examination for path in cines] if policy is not None else []
        examination = None if policy is None else policy.examination_of(next(filter(None, descriptions), ""))
        if examination is None:
            return None
        scores = [result.score for results in cines.values() for result in results if result.score is not None]
        found = check_completeness(examination, scores, self.planes)
        views = [{"plane": view.plane, "state": view.state.value} for view in found.views]
        return {"examination": found.examination, "state": found.state.value, "views": views}


def _best(path: Path, score: Any) -> dict[str, Any]:
    """Return a best frame as the message names it; frames are counted from 1."""
    instance = path.stem.rpartition("_")[0]
    return {"plane": score.plane, "sop_instance_uid": instance, "frame": score.index + 1, "quality": score.quality}


def _planes(results: Sequence[FrameResult]) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for score in (result.score for result in results if result.score is not None):
        frames, accepted = counts.get(score.plane, (0, 0))
        counts[score.plane] = (frames + 1, accepted + score.accepted)
    return counts
