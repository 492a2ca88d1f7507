"""All rows of an audit as one CSV beside its Parquet files, for spreadsheets."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from striq.atomic_files import replacing
from striq.audit.layout import CSV_NAME, shard_path
from striq.audit.parquet import pyarrow
from striq.audit.plan import Plan
from striq.csv_cells import csv_line


def write_csv_copy(folder: Path, plan: Plan) -> Path:
    """Write the rows of all shards, one shard at a time, atomically, and return the path.

    Args:
        folder: Folder of an audit whose shards are all done.
        plan: Its plan.
    """
    target, columns = folder / CSV_NAME, list[str]()
    with replacing(target) as stream:
        for number in range(len(plan.shards)):
            table = pyarrow.parquet.read_table(shard_path(folder, number))
            if not columns:
                columns = list(table.schema.names)
                stream.write(csv_line(columns).encode())
            for row in table.to_pylist():
                stream.write(csv_line([_cell(row.get(name)) for name in columns]).encode())
    return target


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.date):
        return value.isoformat()
    return f"{value:.9g}" if isinstance(value, float) else str(value)
