"""Parquet files of an audit, one per shard; each names the plan it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from striq.atomic_files import replacing
from striq.audit.attributes import Attributes
from striq.audit.crash_journal import GIVEN_UP
from striq.audit.layout import JOURNAL_FOLDER, SHARD_PATTERN, journal_path, shard_path
from striq.audit.parquet import PARQUET_ERRORS, pyarrow
from striq.audit.plan import ArchiveFile, AuditSettings, Plan
from striq.policies.policy import POLICY_COLUMNS
from striq.reporting.rows import score_columns, score_row
from striq.scoring.results import FrameResult

PARQUET_TYPES: Mapping[type, Any] = {
    str: pyarrow.string(),
    int: pyarrow.int32(),
    float: pyarrow.float64(),
    bool: pyarrow.bool_(),
}
GONE_COLUMN = "gone"
ORIGIN_COLUMNS = tuple(field.name for field in fields(Attributes))
PLAN_KEY, STATE_KEY = b"striq_plan", b"striq_rows"  # in the metadata of a shard's file: what was scored, what rows say


@dataclass(frozen=True)
class AuditRow:
    """Result of one frame, or of a file that could not be opened, with the file it belongs to."""

    file: ArchiveFile
    result: FrameResult


def score_schema() -> Any:
    """Return the columns of a shard's file: those of ``striq score``, origin of the file, model, policy, ``gone``."""
    types = {name: PARQUET_TYPES[kind] for name, kind in score_columns().items()}
    types |= {name: origin_type(name) for name in ORIGIN_COLUMNS}
    types |= dict.fromkeys(("model_sha256", *POLICY_COLUMNS), pyarrow.string())
    return pyarrow.schema([*types.items(), (GONE_COLUMN, pyarrow.bool_())])


def score_table(rows: Sequence[AuditRow], settings: AuditSettings) -> Any:
    """Return rows as a Parquet table.

    Convention:
        - Numbers are those that ``striq score`` writes; a cell without a value is null.
    """
    cells = [score_row(row.result) for row in rows]
    columns: dict[str, list[Any]] = {
        name: [row[column] or None for row in cells] for column, name in enumerate(score_columns())
    }
    for name in ORIGIN_COLUMNS:
        columns[name] = [getattr(row.file.attributes, name) or None for row in rows]
    columns["model_sha256"] = [settings.model_sha256] * len(rows)
    policies = [policy_cells(row.file, settings) for row in rows]
    columns |= {name: [cells[name] for cells in policies] for name in POLICY_COLUMNS}
    columns[GONE_COLUMN] = ["false"] * len(rows)
    schema = score_schema()
    arrays = [pyarrow.array(columns[name], origin_type(name)).cast(schema.field(name).type) for name in schema.names]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def policy_cells(file: ArchiveFile, settings: AuditSettings) -> dict[str, str | None]:
    """Return what the rows of a file say about the policy by which they were judged; null without one."""
    policy = settings.rules
    if policy is None:
        return dict.fromkeys(POLICY_COLUMNS)
    names = (file.attributes.site, file.attributes.station)
    return {column: text or None for column, text in policy.record(*names).items()}


def origin_type(name: str) -> Any:
    """Return the type of a column of the origin of a file."""
    return pyarrow.date32() if name == "date" else pyarrow.string()


def write_shard(folder: Path, number: int, rows: Sequence[AuditRow], plan: Plan) -> Path:
    """Write the file of a shard that has been scored, atomically, and return its path."""
    return write_table(folder, number, score_table(rows, plan.settings), plan)


def write_table(folder: Path, number: int, table: Any, plan: Plan) -> Path:
    """Write the rows of a shard as they are to be by a plan, atomically, and return the path."""
    notes = {PLAN_KEY: plan.identity(number), STATE_KEY: plan.row_state(number)}
    path = shard_path(folder, number)
    with replacing(path) as stream:
        pyarrow.parquet.write_table(table.replace_schema_metadata(notes), stream, compression="zstd")
    return path


def is_done(folder: Path, number: int, plan: Plan) -> bool:
    """Return whether the file of a shard exists, is complete and belongs to the plan."""
    return _notes(folder, number).get(PLAN_KEY) == plan.identity(number).encode()


def is_up_to_date(folder: Path, number: int, plan: Plan) -> bool:
    """Return whether the rows of a scored shard say what they are to say by the plan."""
    return _notes(folder, number).get(STATE_KEY) == plan.row_state(number).encode()


def _notes(folder: Path, number: int) -> Mapping[bytes, bytes]:
    """Return the metadata of the file of a shard; empty if there is none, or it is damaged."""
    path = shard_path(folder, number)
    try:
        return (pyarrow.parquet.read_schema(path).metadata or {}) if path.is_file() else {}
    except PARQUET_ERRORS:
        return {}


def done_shards(folder: Path, plan: Plan) -> set[int]:
    """Return the numbers of the shards that are scored."""
    return {number for number in range(len(plan.shards)) if is_done(folder, number, plan)}


def reopen_crashed(folder: Path, plan: Plan) -> int:
    """Remove the files of shards in which a file was given up after crashes, so that they are scored again.

    Returns:
        Number of these shards.
    """
    count = 0
    for number in range(len(plan.shards)):
        if is_done(folder, number, plan):
            errors = pyarrow.parquet.read_table(shard_path(folder, number), columns=["error"])["error"].to_pylist()
            if any(GIVEN_UP in (error or "") for error in errors):
                shard_path(folder, number).unlink()
                count += 1
        elif journal_path(folder, number).is_file():
            journal_path(folder, number).unlink()
    return count


def pending_shards(folder: Path, plan: Plan) -> list[int]:
    """Return the numbers of the shards still to be scored."""
    return [number for number in range(len(plan.shards)) if not is_done(folder, number, plan)]


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files and journals of killed processes; call it when no process works in the folder."""
    for left in (*folder.glob(f".{SHARD_PATTERN}.*.tmp"), *(folder / JOURNAL_FOLDER).glob("*.txt")):
        left.unlink(missing_ok=True)


def foreign_shards(folder: Path, planned: Collection[int]) -> list[Path]:
    """Return the files in a folder that look like shards but are not among those of a plan."""
    known = {shard_path(folder, number) for number in planned}
    return sorted(path for path in folder.glob(SHARD_PATTERN) if path not in known)
