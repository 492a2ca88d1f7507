"""Names in the folder of an audit; readers of a folder of Parquet pass over those that begin with '_'."""

from __future__ import annotations

from pathlib import Path

PLAN_NAME = "_plan/plan.json"
FILES_NAME = "_plan/files.parquet"
BEGUN_FOLDER = "_plan/begun"
SUMMARY_NAME = "_summary.html"
PART_PATTERN = "part-*.parquet"


def part_path(folder: Path, number: int) -> Path:
    """Return where the results of a shard go."""
    return folder / f"part-{number:06d}.parquet"


def begun_path(folder: Path, number: int) -> Path:
    """Return where it is noted which file of a shard is being scored."""
    return folder / BEGUN_FOLDER / f"{number:06d}.txt"
