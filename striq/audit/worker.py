"""Worker of an audit: a process that loads the model once and scores one shard after the other."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from striq.audit.crash_journal import CrashJournal
from striq.audit.plan import FileState, Plan, read_plan
from striq.audit.scoring import score_batch
from striq.audit.shard_files import is_done, write_shard
from striq.errors import StriqError
from striq.reporting.identity import ModelIdentity
from striq.scoring.checkpoint import find_checkpoint
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer


class AuditWorker:
    """Scores shards of an audit.

    Args:
        folder: Folder of the audit, with its plan.
        model: Checkpoint, as for ``load_scorer``; it must be the one that the audit was planned with.
        device: As for ``load_scorer``.
    """

    def __init__(self, folder: Path, model: Path | None, device: str) -> None:
        self.folder, self.model, self.device = folder, model, device
        self.plan = existing_plan(folder)

    @cached_property
    def scorer(self) -> StriqScorer:
        """The model, loaded for the first shard.

        Raises:
            StriqError: If the checkpoint is not the one of the plan.
        """
        checkpoint = find_checkpoint(self.model)
        settings = self.plan.settings
        found = ModelIdentity.of(checkpoint, settings.threshold).sha256
        if found != settings.model_sha256:
            msg = (
                f"{checkpoint}: not the model of this audit. Expected sha256 {settings.model_sha256[:12]}..., got "
                f"{found[:12]}.... Give the same --model, or another --out folder."
            )
            raise StriqError(msg)
        return load_scorer(checkpoint, self.device, precision=settings.precision)

    def run(self, number: int, advance: Callable[[], object] = lambda: None) -> None:
        """Score a shard and write its file, unless that is done already.

        Args:
            number: Number of the shard.
            advance: Called after each file.
        """
        if is_done(self.folder, number, self.plan):
            return
        scorer, journal = self.scorer, CrashJournal(self.folder, number)
        shard = [file for file in self.plan.shards[number] if file.state is FileState.CURRENT]

        @contextmanager
        def watch(index: int) -> Generator[bool]:
            with journal.watch(index) as may_be_scored:
                yield may_be_scored
            advance()

        rows = score_batch(scorer, shard, self.plan.settings, watch)
        write_shard(self.folder, number, rows, self.plan)
        journal.remove()


def existing_plan(folder: Path) -> Plan:
    """Return the plan of an audit.

    Raises:
        StriqError: If there is none, or it cannot be read.
    """
    plan = read_plan(folder)
    if plan is None:
        msg = f"{folder}: there is no plan of an audit. Start it with 'striq audit'."
        raise StriqError(msg)
    return plan
