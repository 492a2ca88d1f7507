"""Paths in the folder of an audit; readers of a Parquet folder ignore names that begin with '_'."""

from __future__ import annotations

from pathlib import Path

PLAN_NAME = "_plan/files.parquet"
FORMER_PLAN_NAME = "_plan/plan.json"  # of audits that could not grow
OPERATOR_KEY_NAME = "_plan/operator_key"  # of the pseudonyms on dashboards
REPORTED_FOLDER = "_plan/structured_reports"
JOURNAL_FOLDER = "_plan/crash_journal"
SUMMARY_NAME = "_summary.html"
CSV_NAME = "_scores.csv"
SHARD_PATTERN = "part-*.parquet"  # the usual name of the files of a Parquet folder


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of the Parquet file of a shard."""
    return folder / f"part-{number:06d}.parquet"


def journal_path(folder: Path, number: int) -> Path:
    """Return the path of the crash journal of a shard."""
    return folder / JOURNAL_FOLDER / f"{number:06d}.txt"


def reported_path(folder: Path, number: int) -> Path:
    """Return the path of the note about the structured reports of a shard."""
    return folder / REPORTED_FOLDER / f"{number:06d}.txt"
