"""Write files so that a reader sees the old content or the new one, never half of it."""

from __future__ import annotations

import csv
import io
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file that takes the place of ``path`` when the block ends without an error.

    The content goes to a temporary file in the same folder, is flushed to the disk and renamed over ``path``.
    After an error the temporary file is removed and ``path`` is as before. Missing folders are made.

    Raises:
        OSError: If the folder cannot be written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Opened by us rather than by ``tempfile``, whose files are readable by their owner only.
    temporary = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)  # ``os.replace``: atomic within one file system, on Windows too
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write ``content`` to ``path`` atomically and return the path."""
    with replacing(path) as stream:
        stream.write(content)
    return Path(path)


def write_text(path: str | Path, text: str) -> Path:
    """Write ``text`` as UTF-8 with line ends as given, atomically, and return the path."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: object) -> Path:
    """Write ``value`` as indented JSON in the order given, atomically, and return the path.

    Raises:
        ValueError: If ``value`` holds NaN or an infinity, which JSON does not know.
        TypeError: If ``value`` holds something other than JSON's own types.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        msg = f"{path}: JSON has no NaN or infinity; write an undefined value as None ({error})."
        raise ValueError(msg) from error
    return write_text(path, text + "\n")


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a header and rows as comma-separated UTF-8, atomically, and return the path.

    Raises:
        ValueError: If a row has not one cell per column.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            msg = f"{path}, line {number}: expected {len(header)} cells ({', '.join(header)}), got {len(row)}."
            raise ValueError(msg)
        writer.writerow(row)
    return write_text(path, buffer.getvalue())
