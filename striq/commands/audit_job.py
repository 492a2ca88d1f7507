"""An audit as given on the command line: its plan, and what is written when all of it is scored."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striq.commands.given_settings import warn_of_policy
from striq.commands.terminal import complain, inform, say, say_json
from striq.errors import StriqError

if TYPE_CHECKING:
    from rich.progress import Progress

    from striq.audit.plan import Plan
    from striq.audit.summary import AuditSummary
    from striq.reporting.identity import ModelIdentity


@dataclass(frozen=True)
class GivenSettings:
    """Settings given on the command line; named as those of ``AuditSettings``."""

    plane: str
    threshold: float | None
    max_frames_per_cine: int
    hash_operators: bool
    shard_size: int
    precision: str
    policy: str = ""


@dataclass(frozen=True)
class AuditJob:
    """An audit as given on the command line.

    Attributes:
        archive: Folder or manifest.
        out: Folder of the audit.
        model: As for ``find_checkpoint``.
        device: As for ``load_scorer``.
        given: Settings.
        since: Only files of this date or later are added.
        dicom_sr: Folder for structured reports.
        keep_plan: Do not look for new files.
        retry_crashed: Score files again that were given up.
        as_json: Print the summary as JSON.
        threads: Threads of each worker process.
    """

    archive: Path
    out: Path
    model: Path | None
    device: str
    given: GivenSettings
    since: datetime.date | None = None
    dicom_sr: Path | None = None
    keep_plan: bool = False
    retry_crashed: bool = False
    as_json: bool = False
    threads: int | None = None

    @property
    def identity(self) -> ModelIdentity:
        """The model, with the threshold and the policy to apply."""
        return self._model[0]

    @cached_property
    def _model(self) -> tuple[ModelIdentity, tuple[str, ...]]:
        """The model, and the planes that it knows."""
        from striq.policies.reading import parse_policy
        from striq.reporting.identity import ModelIdentity
        from striq.scoring.checkpoint import find_checkpoint
        from striq.scoring.loading import load_scorer

        checkpoint = find_checkpoint(self.model)
        scorer = load_scorer(checkpoint, self.device, precision=self.given.precision)  # raises if it cannot compute so
        scorer.score([], self.given.plane)  # raises if the model does not know the plane
        given = self.given.threshold
        policy = parse_policy(self.given.policy) if self.given.policy else None
        for sentence in warn_of_policy(policy, scorer.planes):
            inform(sentence)
        threshold = scorer.config.quality.threshold if given is None else given
        return ModelIdentity.of(checkpoint, threshold, policy), tuple(scorer.planes)

    def plan(self, progress: Progress) -> Plan:
        """Return the plan of the audit, new or grown; rows scored earlier are brought up to date."""
        import striq
        from striq.audit.plan import AuditSettings
        from striq.audit.planning import plan_audit
        from striq.audit.row_updates import update_rows
        from striq.audit.shard_files import reopen_crashed

        identity, given = self.identity, self.given
        settings = AuditSettings(
            model_sha256=identity.sha256,
            model_name=f"{identity.name} {identity.version}".strip(),
            striq_version=striq.__version__,
            threshold=identity.threshold,
            plane=given.plane,
            max_frames_per_cine=given.max_frames_per_cine,
            hash_operators=given.hash_operators,
            shard_size=given.shard_size,
            precision=given.precision,
            policy=given.policy,
            planes=self._model[1],
        )
        plan = plan_audit(
            self.archive,
            self.out,
            settings,
            keep_plan=self.keep_plan,
            since=self.since,
            say=inform,
            track=lambda files: progress.track(files, description="Headers"),
        )
        update_rows(self.out, plan)
        if self.retry_crashed:
            reopen_crashed(self.out, plan)
        return plan

    def finish(self, plan: Plan, progress: Progress) -> int:
        """Write summary and reports of an audit whose shards are all done, and return the exit status."""
        from striq.audit.csv_copy import write_csv_copy
        from striq.audit.layout import SUMMARY_NAME
        from striq.audit.page import write_summary
        from striq.audit.shard_files import pending_shards, remove_leftovers
        from striq.audit.summary import summarize

        left = pending_shards(self.out, plan)
        if left:
            msg = f"{self.out}: {len(left)} of {len(plan.shards)} shards are not done. Run the same command again."
            raise StriqError(msg)
        remove_leftovers(self.out)
        table = write_csv_copy(self.out, plan)
        summary = summarize(self.out, plan)
        page = write_summary(self.out / SUMMARY_NAME, summary)
        num_unreported = 0 if self.dicom_sr is None else self._write_reports(plan, self.dicom_sr, progress)
        self._print(summary, plan, (table, page), num_unreported)
        return 1 if summary.unreadable or num_unreported else 0

    def _write_reports(self, plan: Plan, target: Path, progress: Progress) -> int:
        from striq.audit.structured_reports import write_reports

        with progress:
            return write_reports(
                self.out,
                plan,
                target,
                self.identity,
                complain=complain,
                track=lambda numbers: progress.track(numbers, description="Reports"),
            )

    def _print(self, summary: AuditSummary, plan: Plan, written: tuple[Path, Path], num_unreported: int) -> None:
        table, page = written
        if self.as_json:
            say_json(_facts(summary, self.out, page, num_unreported))
            return
        gone = f"; {summary.num_gone} more are gone" if summary.num_gone else ""
        say(
            f"{summary.num_scored} frames of {summary.num_files} files scored, "
            f"{len(summary.unreadable)} with failures{gone}"
        )
        say(f"{self.out}: one row per frame in {len(plan.shards)} Parquet files and {table.name}; summary: {page}")
        if num_unreported:
            complain(f"{num_unreported} structured reports could not be written")


def _facts(summary: AuditSummary, out: Path, page: Path, num_unreported: int) -> dict[str, Any]:
    """Return a summary as plain JSON values."""
    policy = summary.settings.rules
    return {
        "folder": str(out),
        "summary_page": str(page),
        "threshold": summary.settings.threshold,
        "policy": None if policy is None else {"name": policy.name, "version": policy.version, "sha256": policy.sha256},
        "files": summary.num_files,
        "files_gone": summary.num_gone,
        "files_with_failures": len(summary.unreadable),
        "reports_not_written": num_unreported,
        "frames_scored": summary.num_scored,
        "frames_without_plane": summary.whole.num_without_plane,
        "frames_accepted": summary.whole.num_accepted,
        "studies": summary.whole.num_studies,
        "planes": {
            plane.name: {
                "frames": len(plane.quality),
                "accepted": plane.num_accepted,
                "median_quality": plane.quantile(0.5) if len(plane.quality) else None,
            }
            for plane in summary.planes
        },
        "examinations": {
            one.examination or "not in the policy": {
                "studies": one.num_studies,
                "complete": one.num_complete,
                "incomplete": len(one.incomplete),
                "not_assessed": one.num_not_assessed,
            }
            for one in summary.checklists
        },
    }
