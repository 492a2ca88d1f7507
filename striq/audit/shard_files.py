"""Parquet parts, one per shard: a part is there as a whole or not at all, and knows the plan it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striq.atomic_files import replacing
from striq.audit.layout import BEGUN_FOLDER, PART_PATTERN, part_path
from striq.audit.parquet import ARROW_ERRORS, pyarrow
from striq.audit.plan import ArchiveFile, Plan
from striq.reporting.rows import COLUMNS, score_row
from striq.scoring.results import FrameResult

FIGURES = ("time_s", "plane_probability", "quality", "similarity", "ncc", "smoothness")
ORIGIN = ("study_instance_uid", "series_instance_uid", "site", "operator", "manufacturer")
PLAN_KEY = b"striq_plan"  # in a part's metadata


@dataclass(frozen=True)
class AuditRow:
    """What became of one frame, or of a whole file, and which file that is."""

    file: ArchiveFile
    result: FrameResult


def score_schema() -> Any:
    """Return the columns of a part: those of ``striq score``, then where the file comes from and the model."""
    types: dict[str, Any] = dict.fromkeys((*COLUMNS, *ORIGIN), pyarrow.string())
    types |= dict.fromkeys(FIGURES, pyarrow.float64())
    types |= {"frame": pyarrow.int32(), "accepted": pyarrow.bool_()}
    types |= {"date": pyarrow.date32(), "model_sha256": pyarrow.string()}
    return pyarrow.schema(list(types.items()))


def score_table(rows: Sequence[AuditRow], model_sha256: str) -> Any:
    """Return rows as a table; a figure is the one that ``striq score`` writes, what is not known is null."""
    cells = list(zip(*(score_row(row.result) for row in rows), strict=True)) or [()] * len(COLUMNS)
    columns: dict[str, list[Any]] = {
        name: [cell or None for cell in column] for name, column in zip(COLUMNS, cells, strict=True)
    }
    for name in (*ORIGIN, "date"):
        columns[name] = [getattr(row.file.attributes, name) or None for row in rows]
    columns["model_sha256"] = [model_sha256] * len(rows)
    schema = score_schema()
    arrays = [pyarrow.array(columns[name], _stored_as(name)).cast(schema.field(name).type) for name in schema.names]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _stored_as(name: str) -> Any:
    return pyarrow.date32() if name == "date" else pyarrow.string()


def write_part(folder: Path, number: int, rows: Sequence[AuditRow], plan: Plan) -> Path:
    """Write the results of a shard, atomically, and return the path."""
    table = score_table(rows, plan.settings.model_sha256).replace_schema_metadata({PLAN_KEY: plan.identity})
    path = part_path(folder, number)
    with replacing(path) as stream:
        pyarrow.parquet.write_table(table, stream, compression="zstd")
    return path


def is_done(folder: Path, number: int, plan: Plan) -> bool:
    """Return whether a shard's part is there and whole; a damaged or foreign one is not, and will be replaced."""
    path = part_path(folder, number)
    if not path.is_file():
        return False
    try:
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    except ARROW_ERRORS:
        return False
    return metadata.get(PLAN_KEY) == plan.identity.encode()


def pending_shards(folder: Path, plan: Plan) -> list[int]:
    """Return the numbers of the shards still to do."""
    return [number for number in range(len(plan.shards)) if not is_done(folder, number, plan)]


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left behind; to be called when no process works in the folder."""
    for left in (*folder.glob(f".{PART_PATTERN}.*.tmp"), *(folder / BEGUN_FOLDER).glob("*.txt")):
        left.unlink(missing_ok=True)


def foreign_parts(folder: Path, planned: Collection[int]) -> list[Path]:
    """Return the parts in a folder that no shard of a plan writes."""
    known = {part_path(folder, number) for number in planned}
    return sorted(path for path in folder.glob(PART_PATTERN) if path not in known)
