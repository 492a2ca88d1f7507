"""The start of an audit: a new plan, or the one begun before if nothing has changed since."""

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
from striq.audit.shard_files import foreign_parts
from striq.errors import StriqError

Track = Callable[[Sequence[ListedFile]], Iterable[ListedFile]]


def prepare(
    archive: Path,
    folder: Path,
    settings: AuditSettings,
    *,
    keep_plan: bool = False,
    say: Callable[[str], object] = lambda text: None,
    track: Track = iter,
) -> Plan:
    """Return the plan of an audit, made now or, if it was begun before, read from its folder.

    Args:
        archive: Folder or manifest.
        folder: Folder of the audit.
        settings: What the scores depend on.
        keep_plan: Go on with the files as they were listed when the audit began, without looking for changes.
        say: Takes what the user must know.
        track: Returns what it is given, and shows how far the reading of headers has come.

    Raises:
        StriqError: If the folder holds an audit of other files or with other settings.
        DatasetError: If there is nothing to audit, or the manifest cannot be used.
    """
    begun = (folder / PLAN_NAME).is_file()
    plan = read_plan(folder) if begun else None
    if plan is not None:
        _refuse_other_settings(plan.settings, settings, folder)
    if plan is None or not keep_plan:
        files, repeats = list_archive(archive)
        if repeats:
            say(f"{archive}: {repeats} rows repeat a file; each file is scored once.")
        if plan is None:
            plan = _new_plan(files, settings, folder, track)
        elif fingerprint(files) != plan.listing:
            raise _changed(files, plan, folder)
    _refuse_foreign_parts(folder, len(plan.shards))
    return plan


def _new_plan(files: Sequence[ListedFile], settings: AuditSettings, folder: Path, track: Track) -> Plan:
    _refuse_foreign_parts(folder, 0)
    pseudonym = _pseudonyms() if settings.hash_operators else str
    described = [ArchiveFile(file.path, file.size, file.mtime_ns, _describe(file, pseudonym)) for file in track(files)]
    plan = Plan(settings, fingerprint(files), make_shards(described, settings.shard_size))
    write_plan(plan, folder)
    return plan


def _describe(file: ListedFile, pseudonym: Callable[[str], str]) -> Attributes:
    """Return what is known of a file: what the manifest says before what the header says."""
    stated = {name: value for name, value in asdict(file.stated).items() if value}
    known = replace(read_attributes(Path(file.path)), **stated)
    return replace(known, operator=pseudonym(known.operator))


def _pseudonyms() -> Callable[[str], str]:
    """Return a function from names to pseudonyms; its key is never stored, so nobody can try names on the result."""
    key = secrets.token_bytes(32)
    return lambda name: name and f"operator-{hmac.digest(key, name.encode(), 'sha256').hex()[:8]}"


def _refuse_other_settings(begun: AuditSettings, wanted: AuditSettings, folder: Path) -> None:
    before, now = asdict(begun), asdict(replace(wanted, model_name=begun.model_name))  # a copy is the same model
    differing = [f"{name} was {before[name]}, is now {now[name]}" for name in before if before[name] != now[name]]
    if differing:
        msg = (
            f"{folder}: this audit was begun with other settings: {'; '.join(differing)}. Their scores must not be "
            "mixed. Give the same settings to go on, or another --out folder."
        )
        raise StriqError(msg)


def _changed(files: Sequence[ListedFile], plan: Plan, folder: Path) -> StriqError:
    before = {file.path: (file.size, file.mtime_ns) for file in plan.files}
    now = {file.path: (file.size, file.mtime_ns) for file in files}
    added, gone = len(now.keys() - before.keys()), len(before.keys() - now.keys())
    changed = sum(before[path] != now[path] for path in before.keys() & now.keys())
    what = f"{added} files were added, {gone} are gone, {changed} have changed"
    if not added + gone + changed:
        what = "the manifest says other things about the same files"
    msg = (
        f"{folder}: since this audit was begun, {what}. Add --keep-plan to finish it with the files listed then, or "
        "give another --out folder for an audit of all."
    )
    return StriqError(msg)


def _refuse_foreign_parts(folder: Path, num_shards: int) -> None:
    foreign = foreign_parts(folder, range(num_shards))
    if foreign:
        msg = f"{foreign[0]}: not a part of this audit. Give another --out folder, or move this file away."
        raise StriqError(msg)
