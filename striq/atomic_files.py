"""Atomic file writes: a reader sees either the old content or the new content, never a partial file."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from striq.csv_cells import csv_line


@contextmanager
def replacing(path: str | Path) -> Generator[BinaryIO, None, None]:
    """Open a binary stream whose content replaces ``path``, or the file it links to, when the block ends well.

    The content is written to a temporary file in the same folder, flushed to disk and renamed to ``path``.
    If an error occurs, the temporary file is removed and ``path`` is left unchanged. Missing folders are created.

    Raises:
        OSError: If the folder cannot be written.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not created by ``tempfile``, which makes files that only their owner can read.
    temporary = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)  # ``os.replace`` is atomic within one file system, also on Windows
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write ``content`` to ``path`` atomically and return the path."""
    with replacing(path) as stream:
        stream.write(content)
    return Path(path)


def write_text(path: str | Path, text: str) -> Path:
    """Write ``text`` to ``path`` atomically as UTF-8, without changing line ends, and return the path."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: object) -> Path:
    """Write ``value`` to ``path`` atomically as indented JSON, keys in the given order, and return the path.

    Raises:
        ValueError: If ``value`` contains NaN or infinity, which JSON cannot represent.
        TypeError: If ``value`` contains a type that JSON cannot represent.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        msg = f"{path}: JSON cannot represent NaN or infinity; write undefined values as None ({error})."
        raise ValueError(msg) from error
    return write_text(path, text + "\n")


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a header and rows to ``path`` atomically as comma-separated UTF-8 and return the path.

    Cells are made safe by :func:`striq.csv_cells.safe_cell`.

    Raises:
        ValueError: If a row does not have one cell per column.
    """
    lines = [csv_line(header)]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            msg = f"{path}, line {number}: expected {len(header)} cells ({', '.join(header)}), got {len(row)}."
            raise ValueError(msg)
        lines.append(csv_line(row))
    return write_text(path, "".join(lines))
