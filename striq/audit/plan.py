"""Plan of an audit: its settings and shards, stored in its folder for all processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from striq.atomic_files import replacing, write_json
from striq.audit.attributes import UNKNOWN, Attributes
from striq.audit.layout import FILES_NAME, PLAN_NAME
from striq.audit.parquet import PARQUET_ERRORS, pyarrow
from striq.errors import StriqError

ROWS_AT_ONCE = 10_000  # read from the list of files, which may have millions


@dataclass(frozen=True)
class AuditSettings:
    """Everything except the files that the scores depend on; runs in one folder must have equal settings.

    Attributes:
        model_sha256: SHA-256 of the checkpoint.
        model_name: Name of the model, for people.
        striq_version: Version of STRIQ.
        threshold: Quality that an accepted frame exceeds.
        plane: Name of the plane that the frames show, or ``"auto"``.
        max_frames_per_cine: Maximum number of frames scored of a cine, evenly spread; 0 means all.
        hash_operators: Whether names of operators are replaced by pseudonyms.
        shard_size: Files per shard; a shard has more only if it is a single larger study.
    """

    model_sha256: str
    model_name: str
    striq_version: str
    threshold: float
    plane: str = "auto"
    max_frames_per_cine: int = 0
    hash_operators: bool = False
    shard_size: int = 32


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file to score, with its size, time of last change and origin when the audit was planned."""

    path: str
    size: int = -1
    mtime_ns: int = -1
    attributes: Attributes = UNKNOWN

    @property
    def study(self) -> str:
        """The study of the file, which stays in one shard; the path if the study is unknown."""
        return self.attributes.study_instance_uid or self.path


@dataclass(frozen=True)
class Plan:
    """Settings and files of an audit.

    Attributes:
        settings: Settings that the scores depend on.
        listing: Fingerprint of the files as they were listed.
        shards: Files in the order they are scored; a study is never divided.
    """

    settings: AuditSettings
    listing: str
    shards: tuple[tuple[ArchiveFile, ...], ...]

    @property
    def files(self) -> list[ArchiveFile]:
        """Files of all shards."""
        return [file for shard in self.shards for file in shard]

    @property
    def identity(self) -> str:
        """A SHA-256 of files and settings, stored in the file of each shard."""
        content = json.dumps([self.listing, asdict(self.settings)])
        return hashlib.sha256(content.encode()).hexdigest()


def make_shards(files: Iterable[ArchiveFile], shard_size: int) -> tuple[tuple[ArchiveFile, ...], ...]:
    """Divide files into shards of whole studies; the result does not depend on the order of the files.

    Args:
        files: Files, in any order.
        shard_size: Files per shard; a shard has more only if it is a single larger study.
    """
    studies: dict[str, list[ArchiveFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        studies.setdefault(file.study, []).append(file)
    shards: list[list[ArchiveFile]] = []
    for study in studies.values():
        if not shards or len(shards[-1]) + len(study) > shard_size:
            shards.append([])
        shards[-1].extend(study)
    return tuple(map(tuple, shards))


def write_plan(plan: Plan, folder: Path) -> None:
    """Write a plan; the file of settings is written last, so a folder that has it has the whole plan."""
    numbered = [(number, file) for number, shard in enumerate(plan.shards) for file in shard]
    columns: dict[str, Sequence[Any]] = {
        "shard": [number for number, _ in numbered],
        # As bytes, because names of files need not be UTF-8.
        "path": [file.path.encode("utf-8", "surrogateescape") for _, file in numbered],
        "size": [file.size for _, file in numbered],
        "mtime_ns": [file.mtime_ns for _, file in numbered],
    }
    for field in fields(Attributes):
        columns[field.name] = [getattr(file.attributes, field.name) for _, file in numbered]
    with replacing(folder / FILES_NAME) as stream:
        pyarrow.parquet.write_table(pyarrow.table(columns, schema=_files_schema()), stream, compression="zstd")
    content = {"listing": plan.listing, "settings": asdict(plan.settings)}
    write_json(folder / PLAN_NAME, content)


def read_plan(folder: Path) -> Plan:
    """Read a plan that :func:`write_plan` wrote.

    Raises:
        StriqError: If the plan is missing, damaged, or from another version of STRIQ.
    """
    try:
        content = json.loads((folder / PLAN_NAME).read_text(encoding="utf-8"))
        settings = AuditSettings(**content["settings"])
        shards: dict[int, list[ArchiveFile]] = {}
        for batch in pyarrow.parquet.ParquetFile(folder / FILES_NAME).iter_batches(ROWS_AT_ONCE):
            for row in batch.to_pylist():
                shards.setdefault(row["shard"], []).append(_file(row))
        return Plan(settings, content["listing"], tuple(tuple(shards[number]) for number in range(len(shards))))
    except (*PARQUET_ERRORS, ValueError, KeyError, TypeError, IndexError) as error:
        reason = " ".join(str(error).split())[:150]
        msg = f"{folder / PLAN_NAME}: the plan of this audit cannot be read ({reason}). Give another --out folder."
        raise StriqError(msg) from error


def _file(row: Mapping[str, Any]) -> ArchiveFile:
    attributes = Attributes(**{field.name: row[field.name] for field in fields(Attributes)})
    return ArchiveFile(row["path"].decode("utf-8", "surrogateescape"), row["size"], row["mtime_ns"], attributes)


def _files_schema() -> Any:
    """Return the columns of the list of files."""
    types = {"shard": pyarrow.int32(), "path": pyarrow.binary(), "size": pyarrow.int64(), "mtime_ns": pyarrow.int64()}
    types.update({field.name: pyarrow.string() for field in fields(Attributes)}, date=pyarrow.date32())
    return pyarrow.schema(list(types.items()))
