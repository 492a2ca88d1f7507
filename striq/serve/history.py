"""Rows of the service in the audit's Parquet files, one file per day; a study is there once."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from striq.atomic_files import replacing, write_bytes
from striq.audit.attributes import Attributes
from striq.audit.parquet import pyarrow
from striq.audit.plan import AuditSettings
from striq.audit.pseudonyms import pseudonym
from striq.audit.shard_files import AuditRow, score_table

KEY_BYTES = 32


def day_path(folder: Path, received: float) -> Path:
    """Return the path of the rows of studies that began to arrive on a day.

    Args:
        folder: Folder of the Parquet files.
        received: Seconds since 1970.
    """
    day = datetime.datetime.fromtimestamp(received, datetime.timezone.utc)
    return folder / f"part-{day:%Y%m%d}.parquet"


def write_rows(path: Path, rows: Sequence[AuditRow], settings: AuditSettings) -> None:
    """Write the rows of one object, atomically."""
    _write(path, score_table(rows, settings))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of one object."""
    return pyarrow.parquet.read_table(path).to_pylist()


def add_to_day(path: Path, results: Sequence[Path]) -> None:
    """Add rows of objects to the file of a day, atomically; rows that were there before are replaced.

    Args:
        path: File of the day.
        results: Files of the rows of the objects.
    """
    added = pyarrow.concat_tables([pyarrow.parquet.read_table(file) for file in results])
    if path.is_file():
        before = pyarrow.parquet.read_table(path)
        replaced = set(added["source"].to_pylist())
        is_kept = pyarrow.array([source not in replaced for source in before["source"].to_pylist()], pyarrow.bool_())
        added = pyarrow.concat_tables([before.filter(is_kept), added], promote_options="default")
    _write(path, added)


def _write(path: Path, table: Any) -> None:
    with replacing(path) as stream:
        pyarrow.parquet.write_table(table, stream, compression="zstd")


class Operators:
    """Names of operators as the Parquet files show them.

    Args:
        kind: ``hashed``: a pseudonym that stays the same in this folder; ``plain``; or ``none``.
        key_file: File of the key of the pseudonyms, written when there is none.
    """

    def __init__(self, kind: str, key_file: Path) -> None:
        self.kind = kind
        if kind == "hashed" and not key_file.is_file():
            write_bytes(key_file, secrets.token_bytes(KEY_BYTES))
            key_file.chmod(0o600)
        self._key = key_file.read_bytes() if kind == "hashed" else b""

    def hide(self, attributes: Attributes) -> Attributes:
        """Return attributes with the operator as it is to be shown."""
        name = attributes.operator
        if self.kind == "plain" or not name:
            return attributes
        return replace(attributes, operator=pseudonym(self._key, name) if self.kind == "hashed" else "")
