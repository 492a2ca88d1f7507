"""Changes of rows without scoring: another threshold, other values of a manifest, files that changed or are gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from striq.audit.layout import shard_path
from striq.audit.parquet import pyarrow
from striq.audit.plan import ArchiveFile, FileState, Plan
from striq.audit.shard_files import GONE_COLUMN, ORIGIN_COLUMNS, done_shards, is_up_to_date, write_table
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
        write_table(folder, number, _updated(table, files, plan.settings.threshold), plan)
    return len(behind)


def _updated(table: Any, files: dict[str, ArchiveFile], threshold: float) -> Any:
    rows = [_row(row, files[row["source"]], threshold) for row in table.to_pylist() if _is_kept(files, row)]
    columns = {name: [row[name] for row in rows] for name in table.schema.names}
    schema = table.schema.remove_metadata()
    arrays = [pyarrow.array(columns[name], schema.field(name).type) for name in schema.names]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _is_kept(files: dict[str, ArchiveFile], row: dict[str, Any]) -> bool:
    return row["source"] in files and files[row["source"]].state is not FileState.CHANGED


def _row(row: dict[str, Any], file: ArchiveFile, threshold: float) -> dict[str, Any]:
    changed = {name: getattr(file.attributes, name) or None for name in ORIGIN_COLUMNS}
    changed[GONE_COLUMN] = file.state is FileState.GONE
    written = float(f"{threshold:.7g}")  # as ``striq score`` writes it
    if row["quality"] is not None and row["threshold"] != written:
        changed |= {"threshold": written, "accepted": is_accepted(row["quality"], row["plane"], threshold)}
    return {**row, **changed}
