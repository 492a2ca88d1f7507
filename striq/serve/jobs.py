"""Jobs for the workers: what is to be done next, and what follows when it is done, has failed or ended its worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time

from striq.serve.history import add_to_day, day_path
from striq.serve.layout import Layout
from striq.serve.logs import Log
from striq.serve.messages import Done, Failed, Job, ReportJob, StudyFigures
from striq.serve.metrics import Metrics
from striq.serve.outbox import WEBHOOK, Item, Outbox
from striq.serve.queue import Queue, QueuedObject
from striq.serve.settings import ServeSettings

PAUSE_S = 10.0  # after the disk has failed


class Jobs:
    """The jobs of the queue.

    Args:
        settings: Settings of the service.
        queue: The queue.
        outbox: What is to be sent.
        metrics: Metrics of the service.
        log: Log of the service.
        now: Returns the time in seconds since 1970.
    """

    def __init__(
        self,
        settings: ServeSettings,
        queue: Queue,
        outbox: Outbox,
        metrics: Metrics,
        log: Log,
        now: Callable[[], float] = time,
    ) -> None:
        self.settings, self.layout = settings, Layout(settings.root)
        self.queue, self.outbox, self.metrics, self.log, self.now = queue, outbox, metrics, log, now
        self._reporting: set[int] = set()  # numbers of studies
        self._resume = 0.0

    def next(self) -> Job | None:
        """Return the next job; reports come before objects. ``None`` if there is nothing to do."""
        if self.now() < self._resume:
            return None
        return self._next_report() or self.queue.take()

    def _next_report(self) -> ReportJob | None:
        for study in self.queue.due_studies(self.settings.reports.quiet_s):
            if study.number not in self._reporting:
                self._reporting.add(study.number)
                objects = self.queue.scored_objects(study.number)
                new = frozenset(one.number for one in self.queue.scored_objects(study.number, unreported=True))
                return ReportJob(study, tuple(objects), new, self.queue.count_dead(study.number))
        return None

    def done(self, job: Job, answer: Done) -> None:
        """Take the answer of a worker: the job is done."""
        if isinstance(job, QueuedObject):
            self.queue.finish(job.number)
            self.metrics.scored.inc()
            self.metrics.scoring_time.observe(answer.seconds)
            self.log("object scored", study=job.study, object=job.number, seconds=round(answer.seconds, 2))
            return
        try:
            self._finish_report(job, answer.value)
        finally:
            self._reporting.discard(job.study.number)

    def _finish_report(self, job: ReportJob, figures: StudyFigures) -> None:
        day = day_path(self.layout.audit, job.study.first_received)
        add_to_day(day, [self.layout.result(number) for number in sorted(job.new)])
        self.outbox.report_study(job.study, sorted(job.new), self._addressed(figures.items))
        latency = max(0.0, self.now() - job.study.last_received)
        self.metrics.studies.inc()
        self.metrics.report_latency.observe(latency)
        for plane, (frames, accepted) in figures.planes.items():
            self.metrics.frames.labels(plane).inc(frames)
            self.metrics.accepted.labels(plane).inc(accepted)
        self.log(
            "study reported",
            study=job.study.number,
            revision=job.study.revision,
            objects=len(job.new),
            without_report=figures.num_not_scored,
            seconds_since_last_object=round(latency, 2),
        )

    def _addressed(self, items: Sequence[Item]) -> list[tuple[str, Item]]:
        destinations = [one.name for one in self.settings.destinations]
        hooks = [one.name for one in self.settings.webhooks]
        return [(name, item) for item in items for name in (hooks if item.kind == WEBHOOK else destinations)]

    def failed(self, job: Job, answer: Failed) -> None:
        """Take the answer of a worker: the job has failed. Where the disk failed, it is done again after a pause."""
        self.log("job failed", level="error", reason=answer.reason, **self._numbers(job))
        if answer.is_disk:
            self._resume = self.now() + PAUSE_S
            self.give_back(job)
        else:
            self._count(job, answer.reason)

    def crashed(self, job: Job, how: str) -> None:
        """Count a job that ended its worker; at the third time, it becomes a dead letter."""
        self.metrics.crashes.inc()
        self.log("worker ended", level="error", reason=how, **self._numbers(job))
        self._count(job, how)

    def give_back(self, job: Job) -> None:
        """Let a job be done again."""
        if isinstance(job, QueuedObject):
            self.queue.give_back(job.number)
        else:
            self._reporting.discard(job.study.number)

    def _count(self, job: Job, reason: str) -> None:
        if isinstance(job, QueuedObject):
            is_dead = self.queue.count_crash(job.number, reason)
        else:
            is_dead = self.queue.count_report_crash(job.study.number, reason)
            self._reporting.discard(job.study.number)
        if is_dead:
            self.log("dead letter", level="error", reason=reason, **self._numbers(job))

    def _numbers(self, job: Job) -> dict[str, int]:
        if isinstance(job, QueuedObject):
            return {"study": job.study, "object": job.number}
        return {"study": job.study.number}
