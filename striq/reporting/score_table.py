"""The table of scores while it grows: rows are on the disk as soon as they are known.

Rows go to ``NAME.partial`` beside the table, whole lines only. When the run has ended, that file becomes the table in
one step. Until then the table is absent, or that of an earlier run. ``NAME.partial.json`` holds the settings of a run,
so that no run goes on with others.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import IO, Protocol

from striq.atomic_files import write_json
from striq.csv_cells import csv_line, safe_cell
from striq.errors import StriqError
from striq.reporting.file_lock import lock
from striq.reporting.rows import score_columns, score_row
from striq.scoring.results import FrameResult

Settings = Mapping[str, object]


class ScoreTable(Protocol):
    """Takes the results of a run, file by file."""

    def add(self, result: FrameResult) -> None:
        """Write one result."""
        ...

    def finish(self) -> None:
        """Complete the table after the last result."""
        ...


class StreamedTable:
    """Rows written to a stream as they come.

    Args:
        stream: Text stream, such as standard output.
        policy: Whether rows name the policy that judges them.
    """

    def __init__(self, stream: IO[str] | None = None, *, policy: bool = False) -> None:
        self._stream, self._policy = sys.stdout if stream is None else stream, policy
        self._write(csv_line(list(score_columns(policy=policy))))

    def add(self, result: FrameResult) -> None:
        """Write one result."""
        self._write(csv_line(score_row(result, policy=self._policy)))

    def finish(self) -> None:
        """Do nothing; every row has been written."""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class StreamedRows:
    """Rows written to a stream as they come, each as a JSON object on a line of its own, in ASCII.

    Convention:
        - Values have the types of :func:`striq.reporting.rows.score_columns`; a value that is not known is ``null``.

    Args:
        stream: Text stream, standard output by default.
        policy: Whether rows name the policy that judges them.
    """

    def __init__(self, stream: IO[str] | None = None, *, policy: bool = False) -> None:
        self._stream, self._policy = sys.stdout if stream is None else stream, policy

    def add(self, result: FrameResult) -> None:
        """Write one result."""
        types, cells = score_columns(policy=self._policy), score_row(result, policy=self._policy)
        row = {name: _typed(cell, types[name]) for name, cell in zip(types, cells, strict=True)}
        self._stream.write(json.dumps(row, allow_nan=False) + "\n")
        self._stream.flush()


def _typed(cell: str, kind: type) -> object:
    if not cell:
        return None
    return cell == "true" if kind is bool else kind(cell)


class NoTable:
    """Takes results and writes nothing, where rows are wanted in another form only."""

    def add(self, result: FrameResult) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


class GrowingTable:
    """Rows in ``NAME.partial``, which replaces the table at the end.

    Args:
        path: The table; a link is followed.
        settings: What the scores depend on, in JSON's types.
        resume: Keep the rows of files that an earlier run with the same settings has scored completely.
        policy: Whether rows name the policy that judges them.

    Attributes:
        partial: File of the rows so far.
        done: Sources whose rows were kept.
        num_rows: Number of rows kept.
        num_failed: Number of them that hold an error.
        num_replaced: Number of rows of an earlier run that were not kept.

    Raises:
        StriqError: If another run is writing the table, or the rows to resume are of other settings.
        OSError: If the folder cannot be written.
    """

    def __init__(self, path: Path, settings: Settings, *, resume: bool = False, policy: bool = False) -> None:
        self._policy, self._columns = policy, list(score_columns(policy=policy))
        self.path = Path(os.path.realpath(path))
        self.partial = partial_path(self.path)
        self._settings_file = self.partial.with_name(f"{self.partial.name}.json")
        self.done: set[str] = set()
        self.num_rows = self.num_failed = self.num_replaced = 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = lock(self.partial)
        try:
            self._start(settings, resume=resume)
        except BaseException:
            self._stream.close()
            raise

    def _start(self, settings: Settings, *, resume: bool) -> None:
        content = self.partial.read_bytes()
        kept = [csv_line(self._columns)]
        if resume and content:
            self._check_settings(settings)
            for source, rows in _complete_files(content, self._columns):
                self.done.add(source)
                self.num_rows += len(rows)
                self.num_failed += sum(bool(row[-1]) for row in rows)
                kept += [csv_line(row) for row in rows]
        else:
            self.num_replaced = max(0, content.count(b"\n") - 1)
            write_json(self._settings_file, dict(settings))
        kept_bytes = "".join(kept).encode()
        if not content.startswith(kept_bytes):  # true of what a run of the same columns has left
            self._stream.truncate(0)
            self._end = 0
            self._append(kept_bytes)
        self._stream.truncate(len(kept_bytes))
        self._end = len(kept_bytes)

    def _check_settings(self, settings: Settings) -> None:
        try:
            before = json.loads(self._settings_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = None
        if before != json.loads(json.dumps(dict(settings))):
            msg = (
                f"{self.partial}: these rows were scored with other settings ({before}, not {dict(settings)}). Give "
                "the same model and options to resume, or leave out --resume to start anew."
            )
            raise StriqError(msg)

    def add(self, result: FrameResult) -> None:
        """Write one result as a whole line; after an error of the disk, the lines before it remain.

        Raises:
            OSError: If the disk is full.
        """
        self._append(csv_line(score_row(result, policy=self._policy)).encode())

    def _append(self, line: bytes) -> None:
        try:
            self._stream.seek(self._end)
            written = 0
            while written < len(line):
                written += self._stream.write(line[written:])
        except OSError:
            with suppress(OSError):
                self._stream.truncate(self._end)
            raise
        self._end += len(line)

    def finish(self) -> None:
        """Make the rows the table.

        Raises:
            OSError: If the disk is full or the table cannot be replaced.
        """
        os.fsync(self._stream.fileno())
        if os.name == "nt":  # an open file cannot be renamed there
            self._stream.close()
        self.partial.replace(self.path)
        self._settings_file.unlink(missing_ok=True)
        self._stream.close()

    def close(self) -> None:
        """Leave the rows so far in the partial file; without rows, no file is left."""
        is_empty = not self._stream.closed and self._end == len(csv_line(self._columns).encode())
        if is_empty and os.name != "nt":  # an open file cannot be removed there
            self.partial.unlink(missing_ok=True)
            self._settings_file.unlink(missing_ok=True)
        self._stream.close()


def partial_path(path: Path) -> Path:
    """Return the file of the rows so far of a table."""
    return path.with_name(f"{path.name}.partial")


def source_cell(source: str) -> str:
    """Return the name of a source as it stands in the table."""
    return str(safe_cell(source))


def _complete_files(content: bytes, columns: list[str]) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield the rows of each file; those of the last one are left out, as some of its frames may be missing."""
    whole = content[: content.rfind(b"\n") + 1]  # a line that was cut off is no row
    rows = list(csv.reader(whole.decode("utf-8", "replace").splitlines()))
    if not rows or rows[0] != columns:
        return
    good = [row for row in rows[1:] if len(row) == len(columns)]
    files = [(source, list(group)) for source, group in groupby(good, key=lambda row: row[0])]
    yield from files[:-1]
