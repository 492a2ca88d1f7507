"""Start of an audit: make a new plan, or add to the existing one what is new in the archive."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from striq.audit.archive import ListedFile, list_archive
from striq.audit.attributes import Attributes
from striq.audit.growth import Growth, compare_with_plan
from striq.audit.layout import journal_path
from striq.audit.plan import ArchiveFile, AuditSettings, Plan, make_shards, read_plan, write_plan
from striq.audit.pseudonyms import Pseudonyms
from striq.audit.shard_files import done_shards, foreign_shards
from striq.errors import StriqError

Track = Callable[[Sequence[ListedFile]], Iterable[ListedFile]]
Say = Callable[[str], object]


def plan_audit(
    archive: Path,
    folder: Path,
    settings: AuditSettings,
    *,
    keep_plan: bool = False,
    since: datetime.date | None = None,
    say: Say = lambda text: None,
    track: Track = iter,
) -> Plan:
    """Return the plan of an audit: a new one, or the one in its folder with what is new in the archive.

    Args:
        archive: Folder or manifest.
        folder: Folder of the audit.
        settings: Settings of this run.
        keep_plan: Do not look for new, changed and gone files.
        since: Add only files of this date or later, by their study or else by their last change.
        say: Called with messages for the user.
        track: Returns the files it is given and shows progress while their headers are read.

    Raises:
        StriqError: If the folder holds an audit of another archive or with other settings.
        DatasetError: If there is nothing to audit, or the manifest is not usable.
    """
    before = read_plan(folder)
    if before is not None:
        _check_settings(before.settings, settings, folder)
        settings = replace(settings, model_name=before.settings.model_name)  # a renamed copy is the same model
    plan = Plan(settings, () if before is None else before.shards)
    if before is None or not keep_plan:
        listed, repeats = list_archive(archive)
        if repeats:
            say(f"{archive}: {repeats} rows repeat a file; each file is scored once.")
        _check_archive(plan, listed, archive, folder)
        plan = _grown(plan, listed, folder, since, say, track)
    _check_shards(folder, 0 if before is None else len(before.shards))
    if plan != before:
        write_plan(plan, folder)
    return plan


def _grown(
    plan: Plan, listed: Sequence[ListedFile], folder: Path, since: datetime.date | None, say: Say, track: Track
) -> Plan:
    """Return a plan with the present files."""
    names = Pseudonyms(plan.files, listed) if plan.settings.hash_operators else None

    def describe(file: ListedFile) -> Attributes:
        return file.origin() if names is None else names.hide(file.origin())

    audited = {file.path for file in plan.files}
    done = done_shards(folder, plan)
    growth = compare_with_plan(plan, listed, done, describe)
    described = [
        ArchiveFile(file.path, file.size, file.mtime_ns, describe(file), file.stated_digest)
        for file in track(growth.unplanned)
    ]
    added = [file for file in described if since is None or file.path in audited or _date(file) >= since]
    if len(added) < len(described):
        say(f"{len(described) - len(added)} files of before {since} are left out.")
    if plan.shards:
        _say_growth(growth, say)
    shards = (*growth.plan.shards, *make_shards(added, plan.settings.shard_size))
    for number in range(len(plan.shards)):
        if shards[number] != plan.shards[number] and number not in done:
            journal_path(folder, number).unlink(missing_ok=True)  # it counts the files of the shard before
    return replace(plan, shards=shards)


def _say_growth(growth: Growth, say: Say) -> None:
    if str(growth):
        say(f"Files since the last run: {growth}.")


def _date(file: ArchiveFile) -> datetime.date:
    return file.attributes.date or datetime.datetime.fromtimestamp(max(0, file.mtime_ns) / 1e9).date()


def _check_settings(planned: AuditSettings, given: AuditSettings, folder: Path) -> None:
    before, now = planned.fixed, given.fixed
    differing = [f"{name} was {before[name]}, is now {now[name]}" for name in before if before[name] != now[name]]
    if differing:
        msg = (
            f"{folder}: this audit was started with other settings: {'; '.join(differing)}. Scores of both must not be "
            "mixed. Give the same settings to continue it, or another --out folder."
        )
        raise StriqError(msg)


def _check_archive(plan: Plan, listed: Sequence[ListedFile], archive: Path, folder: Path) -> None:
    """Check that some of the audited files are still there; else the archive is another one, or not mounted."""
    known = {file.path for shard in plan.shards for file in shard}
    if known and not any(file.path in known for file in listed):
        msg = (
            f"{archive}: has none of the {len(known)} files of the audit in {folder}, such as {min(known)}. Check that "
            "it is the same archive under the same path. To audit another one, give another --out folder."
        )
        raise StriqError(msg)


def _check_shards(folder: Path, num_shards: int) -> None:
    foreign = foreign_shards(folder, range(num_shards))
    if foreign:
        msg = f"{foreign[0]}: does not belong to this audit. Give another --out folder, or move this file away."
        raise StriqError(msg)
