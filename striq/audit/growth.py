"""Growth of an audit: what was added, changed and removed since its files were listed last."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from striq.audit.archive import ListedFile
from striq.audit.attributes import Attributes
from striq.audit.plan import ArchiveFile, FileState, Plan

Describe = Callable[[ListedFile], Attributes]


@dataclass(frozen=True)
class Growth:
    """Difference between a plan and the files as listed now.

    Attributes:
        plan: The plan without the files that are still to be planned.
        unplanned: Files that are new, or have changed.
        num_changed: Number of files that have changed.
        num_gone: Number of files that were there before and are gone.
    """

    plan: Plan
    unplanned: tuple[ListedFile, ...]
    num_changed: int
    num_gone: int

    @property
    def num_new(self) -> int:
        """Number of files that are new."""
        return len(self.unplanned) - self.num_changed

    def __str__(self) -> str:
        """Return the counts that are not zero as one phrase; empty if nothing has changed."""
        counts = {"new": self.num_new, "changed": self.num_changed, "gone": self.num_gone}
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def compare_with_plan(plan: Plan, listed: Sequence[ListedFile], done: Collection[int], describe: Describe) -> Growth:
    """Return what has changed since a plan was made.

    Files of shards that are not scored yet are dropped if they are gone, and planned again if they have changed. Those
    of scored shards are marked. A file that is back, with the same size and time of change, is no longer gone.

    Args:
        plan: The plan so far.
        listed: Files as they are now.
        done: Numbers of the shards that are scored.
        describe: Returns the origin of a file; called where the manifest says other things than before.
    """
    now = {file.path: file for file in listed}
    compared = [[_compare(file, now.get(file.path), describe) for file in shard] for shard in plan.shards]
    shards = tuple(
        tuple(file for file in shard if number in done or file.state is FileState.CURRENT)
        for number, shard in enumerate(compared)
    )
    current = {file.path for shard in shards for file in shard if file.state is FileState.CURRENT}
    before = {file.path for file in plan.files}
    unplanned = tuple(file for file in listed if file.path not in current)
    return Growth(
        replace(plan, shards=shards),
        unplanned,
        num_changed=sum(file.path in before for file in unplanned),
        num_gone=len(before - now.keys()),
    )


def _compare(planned: ArchiveFile, now: ListedFile | None, describe: Describe) -> ArchiveFile:
    """Return a file of the plan in its present state."""
    if planned.state is FileState.CHANGED:
        return planned
    if now is None:
        return replace(planned, state=FileState.GONE)
    if (now.size, now.mtime_ns) != (planned.size, planned.mtime_ns):
        return replace(planned, state=FileState.CHANGED)
    if now.stated_digest != planned.stated:
        return replace(planned, state=FileState.CURRENT, stated=now.stated_digest, attributes=describe(now))
    return replace(planned, state=FileState.CURRENT)
