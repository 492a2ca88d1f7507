"""Changes of rows without scoring: another threshold or policy, another manifest, changed and gone files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from striq.audit.layout import shard_path
from striq.audit.parquet import pyarrow
from striq.audit.plan import ArchiveFile, AuditSettings, FileState, Plan
from striq.audit.shard_files import (
    GONE_COLUMN,
    ORIGIN_COLUMNS,
    done_shards,
    is_up_to_date,
    policy_cells,
    score_schema,
    write_table,
)
from striq.reporting.rows import source_name
from striq.verdict import is_accepted


def update_rows(folder: Path, plan: Plan) -> int:
    """Make the rows of the scored shards say what they are to say by the plan, and return how many shards changed.

    Rows of files that have changed are removed, because their present version has rows of its own; rows of files that
    are gone are marked in the column ``gone``.
    """
    behind = [number for number in sorted(done_shards(folder, plan)) if not is_up_to_date(folder, number, plan)]
    for number in behind:
        table = pyarrow.parquet.read_table(shard_path(folder, number))
        files = {source_name(Path(file.path)): file for file in plan.shards[number]}
        write_table(folder, number, _updated(table, files, plan.settings), plan)
    return len(behind)


def _updated(table: Any, files: dict[str, ArchiveFile], settings: AuditSettings) -> Any:
    rows = [_row(row, files[row["source"]], settings) for row in table.to_pylist() if _is_kept(files, row)]
    schema = score_schema()
    columns = {name: [row.get(name) for row in rows] for name in schema.names}
    arrays = [pyarrow.array(columns[name], schema.field(name).type) for name in schema.names]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _is_kept(files: dict[str, ArchiveFile], row: dict[str, Any]) -> bool:
    return row["source"] in files and files[row["source"]].state is not FileState.CHANGED


def _row(row: dict[str, Any], file: ArchiveFile, settings: AuditSettings) -> dict[str, Any]:
    changed = {name: getattr(file.attributes, name) or None for name in ORIGIN_COLUMNS}
    changed |= policy_cells(file, settings)
    changed[GONE_COLUMN] = file.state is FileState.GONE
    if row["quality"] is not None:
        threshold = settings.threshold_of(row["scored_plane"], file.attributes)
        written = float(f"{threshold:.7g}")  # as ``striq score`` writes it
        if row["threshold"] != written:
            changed |= {"threshold": written, "accepted": is_accepted(row["quality"], row["plane"], threshold)}
    return {**row, **changed}
