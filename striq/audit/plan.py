"""Plan of an audit: its settings and shards, stored in its folder for all processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from striq.atomic_files import replacing
from striq.audit.attributes import UNKNOWN, Attributes
from striq.audit.layout import FORMER_PLAN_NAME, PLAN_NAME
from striq.audit.parquet import PARQUET_ERRORS, pyarrow
from striq.errors import StriqError
from striq.policies.policy import Policy
from striq.policies.reading import parse_policy

CONTENT_KEY = b"striq_audit"  # of the settings, in the metadata of the list of files
ROWS_AT_ONCE = 10_000  # read from the list of files, which may have millions


FREE_SETTINGS = ("model_name", "threshold", "shard_size", "policy", "planes")  # that may change while an audit grows


class FileState(str, Enum):
    """What has become of a file since it was scored."""

    CURRENT = ""
    CHANGED = "changed"  # its present version is another file of the plan
    GONE = "gone"


@dataclass(frozen=True)
class AuditSettings:
    """Everything except the files that an audit depends on.

    Attributes:
        model_sha256: SHA-256 of the checkpoint.
        model_name: Name of the model, for people.
        striq_version: Version of STRIQ.
        threshold: Quality that an accepted frame exceeds, where the policy states no other.
        plane: Name of the plane that the frames show, or ``"auto"``.
        max_frames_per_cine: Maximum number of frames scored of a cine, evenly spread; 0 means all.
        hash_operators: Whether names of operators are replaced by pseudonyms.
        shard_size: Files per shard; a shard has more only if it is a single larger study.
        precision: Precision of the encoder.
        policy: Policy of the department as TOML; empty if there is none.
        planes: Planes that the model knows; empty if that is not recorded.
    """

    model_sha256: str
    model_name: str
    striq_version: str
    threshold: float
    plane: str = "auto"
    max_frames_per_cine: int = 0
    hash_operators: bool = False
    shard_size: int = 32
    precision: str = "float32"
    policy: str = ""
    planes: tuple[str, ...] = ()

    @property
    def rules(self) -> Policy | None:
        """The policy, if there is one."""
        return parse_policy(self.policy) if self.policy else None

    def site_of(self, origin: Attributes) -> str:
        """Return the label of a file's site in the policy; empty if it has none there."""
        site = None if self.rules is None else self.rules.site_of(origin.site, origin.station)
        return "" if site is None else site.label

    def threshold_of(self, plane: str, origin: Attributes) -> float:
        """Return the threshold that applies to a frame.

        Args:
            plane: Plane whose anchors scored the frame.
            origin: Origin of its file.
        """
        if self.rules is None:
            return self.threshold
        return self.rules.threshold_of(plane, origin.site, origin.station, otherwise=self.threshold)

    @property
    def fixed(self) -> dict[str, Any]:
        """The settings by name that all runs in one folder must have in common."""
        return {name: value for name, value in asdict(self).items() if name not in FREE_SETTINGS}


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file to score, as it was when it was planned.

    Attributes:
        path: Absolute path.
        size: Size in bytes; -1 if the file did not exist.
        mtime_ns: Time of the last change in nanoseconds; -1 if the file did not exist.
        attributes: Origin of the file.
        stated: Digest of the values that a manifest stated about it.
        state: What has become of it since.
    """

    path: str
    size: int = -1
    mtime_ns: int = -1
    attributes: Attributes = UNKNOWN
    stated: str = ""
    state: FileState = FileState.CURRENT

    @property
    def study(self) -> str:
        """The study of the file, which stays in one shard; the path if the study is unknown."""
        return self.attributes.study_instance_uid or self.path


@dataclass(frozen=True)
class Plan:
    """Settings and files of an audit.

    Attributes:
        settings: Settings of the last run.
        shards: Files in the order they are scored. Files that are planned together are divided by whole studies.
    """

    settings: AuditSettings
    shards: tuple[tuple[ArchiveFile, ...], ...]

    @property
    def files(self) -> list[ArchiveFile]:
        """Files of all shards that are as they were planned."""
        return [file for shard in self.shards for file in shard if file.state is FileState.CURRENT]

    @property
    def num_gone(self) -> int:
        """Number of files that are gone."""
        return sum(file.state is FileState.GONE for shard in self.shards for file in shard)

    def identity(self, number: int) -> str:
        """Return a SHA-256 of what the scores of a shard depend on, stored in its file."""
        files = [(file.path, file.size, file.mtime_ns) for file in self.shards[number]]
        return _digest([self.settings.fixed, files])

    def row_state(self, number: int) -> str:
        """Return a SHA-256 of all that a shard's rows say beside scores, stored in its file."""
        files = [(file.path, file.state.value, astuple(file.attributes)) for file in self.shards[number]]
        return _digest([self.settings.threshold, self.settings.policy, files])


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()


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
    """Write a plan, atomically."""
    numbered = [(number, file) for number, shard in enumerate(plan.shards) for file in shard]
    columns: dict[str, Sequence[Any]] = {
        "shard": [number for number, _ in numbered],
        # As bytes, because names of files need not be UTF-8.
        "path": [file.path.encode("utf-8", "surrogateescape") for _, file in numbered],
        "size": [file.size for _, file in numbered],
        "mtime_ns": [file.mtime_ns for _, file in numbered],
        "stated": [file.stated for _, file in numbered],
        "state": [file.state.value for _, file in numbered],
    }
    for field in fields(Attributes):
        columns[field.name] = [getattr(file.attributes, field.name) for _, file in numbered]
    content = {"settings": asdict(plan.settings), "num_shards": len(plan.shards)}
    schema = _files_schema().with_metadata({CONTENT_KEY: json.dumps(content)})
    with replacing(folder / PLAN_NAME) as stream:
        pyarrow.parquet.write_table(pyarrow.table(columns, schema=schema), stream, compression="zstd")


def read_plan(folder: Path) -> Plan | None:
    """Return the plan that :func:`write_plan` wrote, ``None`` if the folder has none.

    Raises:
        StriqError: If the plan is damaged, or of an audit by another version of STRIQ.
    """
    file = folder / PLAN_NAME
    if (folder / FORMER_PLAN_NAME).is_file():
        msg = (
            f"{folder}: this audit was written by an earlier version of STRIQ, whose audits cannot grow. Its files can "
            "still be read. Give another --out folder to audit the archive again."
        )
        raise StriqError(msg)
    if not file.is_file():
        return None
    try:
        table = pyarrow.parquet.ParquetFile(file)
        content = json.loads(table.schema_arrow.metadata[CONTENT_KEY])
        shards: list[list[ArchiveFile]] = [[] for _ in range(content["num_shards"])]
        for batch in table.iter_batches(ROWS_AT_ONCE):
            for row in batch.to_pylist():
                shards[row["shard"]].append(_file(row))
        settings: dict[str, Any] = content["settings"]
        settings["planes"] = tuple(settings.get("planes", ()))
        return Plan(AuditSettings(**settings), tuple(map(tuple, shards)))
    except (*PARQUET_ERRORS, ValueError, KeyError, TypeError, IndexError) as error:
        reason = " ".join(str(error).split())[:150]
        msg = f"{file}: the plan of this audit cannot be read ({reason}). Give another --out folder."
        raise StriqError(msg) from error


def _file(row: Mapping[str, Any]) -> ArchiveFile:
    attributes = Attributes(**{field.name: row[field.name] for field in fields(Attributes) if field.name in row})
    path = row["path"].decode("utf-8", "surrogateescape")
    return ArchiveFile(path, row["size"], row["mtime_ns"], attributes, row["stated"], FileState(row["state"]))


def _files_schema() -> Any:
    """Return the columns of the list of files."""
    types = {"shard": pyarrow.int32(), "path": pyarrow.binary(), "size": pyarrow.int64(), "mtime_ns": pyarrow.int64()}
    types |= {"stated": pyarrow.string(), "state": pyarrow.string()}
    types.update({field.name: pyarrow.string() for field in fields(Attributes)}, date=pyarrow.date32())
    return pyarrow.schema(list(types.items()))
