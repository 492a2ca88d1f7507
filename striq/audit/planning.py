"""Start of an audit: make a new plan, or read the existing one if files and settings are unchanged."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from striq.audit.archive import ListedFile, fingerprint, list_archive
from striq.audit.attributes import Attributes, read_attributes
from striq.audit.layout import PLAN_NAME
from striq.audit.plan import ArchiveFile, AuditSettings, Plan, make_shards, read_plan, write_plan
from striq.audit.shard_files import foreign_shards
from striq.errors import StriqError

Track = Callable[[Sequence[ListedFile]], Iterable[ListedFile]]


def plan_audit(
    archive: Path,
    folder: Path,
    settings: AuditSettings,
    *,
    keep_plan: bool = False,
    say: Callable[[str], object] = lambda text: None,
    track: Track = iter,
) -> Plan:
    """Return the plan of an audit: the one in its folder, or a new one.

    Args:
        archive: Folder or manifest.
        folder: Folder of the audit.
        settings: Settings that the scores depend on.
        keep_plan: Resume with the files listed when the audit started, without looking for changes.
        say: Called with messages for the user.
        track: Returns the files it is given and shows progress while their headers are read.

    Raises:
        StriqError: If the folder holds an audit of other files or with other settings.
        DatasetError: If there is nothing to audit, or the manifest is not usable.
    """
    plan = read_plan(folder) if (folder / PLAN_NAME).is_file() else None
    if plan is not None:
        _check_settings(plan.settings, settings, folder)
    if plan is None or not keep_plan:
        files, repeats = list_archive(archive)
        if repeats:
            say(f"{archive}: {repeats} rows repeat a file; each file is scored once.")
        if plan is None:
            plan = _new_plan(files, settings, folder, track)
        elif fingerprint(files) != plan.listing:
            raise _changed(files, plan, folder)
    _check_shards(folder, len(plan.shards))
    return plan


def _new_plan(files: Sequence[ListedFile], settings: AuditSettings, folder: Path, track: Track) -> Plan:
    _check_shards(folder, 0)
    pseudonym = _pseudonyms() if settings.hash_operators else str
    described = [ArchiveFile(file.path, file.size, file.mtime_ns, _describe(file, pseudonym)) for file in track(files)]
    plan = Plan(settings, fingerprint(files), make_shards(described, settings.shard_size))
    write_plan(plan, folder)
    return plan


def _describe(file: ListedFile, pseudonym: Callable[[str], str]) -> Attributes:
    """Return the attributes of a file; values in the manifest take precedence over the header."""
    stated = {name: value for name, value in asdict(file.stated).items() if value}
    known = replace(read_attributes(Path(file.path)), **stated)
    return replace(known, operator=pseudonym(known.operator))


def _pseudonyms() -> Callable[[str], str]:
    """Return a function from names to pseudonyms; its key is never stored, so names cannot be tried on the result."""
    key = secrets.token_bytes(32)
    return lambda name: name and f"operator-{hmac.digest(key, name.encode(), 'sha256').hex()[:8]}"


def _check_settings(planned: AuditSettings, given: AuditSettings, folder: Path) -> None:
    given = replace(given, model_name=planned.model_name)  # a renamed copy is the same model
    before, now = asdict(planned), asdict(given)
    differing = [f"{name} was {before[name]}, is now {now[name]}" for name in before if before[name] != now[name]]
    if differing:
        msg = (
            f"{folder}: this audit was started with other settings: {'; '.join(differing)}. Scores of both must not be "
            "mixed. Give the same settings to resume it, or another --out folder."
        )
        raise StriqError(msg)


def _changed(files: Sequence[ListedFile], plan: Plan, folder: Path) -> StriqError:
    before = {file.path: (file.size, file.mtime_ns) for file in plan.files}
    now = {file.path: (file.size, file.mtime_ns) for file in files}
    added, gone = len(now.keys() - before.keys()), len(before.keys() - now.keys())
    changed = sum(before[path] != now[path] for path in before.keys() & now.keys())
    what = f"{added} files were added, {gone} are gone, {changed} have changed"
    if not added + gone + changed:
        what = "the manifest has other values for the same files"
    msg = (
        f"{folder}: since this audit was started, {what}. Add --keep-plan to finish it with the files listed then, or "
        "give another --out folder to audit all files."
    )
    return StriqError(msg)


def _check_shards(folder: Path, num_shards: int) -> None:
    foreign = foreign_shards(folder, range(num_shards))
    if foreign:
        msg = f"{foreign[0]}: does not belong to this audit. Give another --out folder, or move this file away."
        raise StriqError(msg)
