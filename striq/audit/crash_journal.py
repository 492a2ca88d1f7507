"""Notes of which file is being scored, so that a file that ends every process it meets cannot stop an audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from striq.audit.layout import begun_path

MAX_DEATHS = 2  # a process may also be ended from outside, so that once proves nothing


class Begun:
    """The files of a shard that were begun, and how often a process ended before such a file did.

    Args:
        folder: Folder of the audit.
        number: Number of the shard.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._path = begun_path(folder, number)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = self._path.read_text(encoding="ascii", errors="replace") if self._path.is_file() else ""
        notes = Counter(text.splitlines())
        self._deaths = Counter({line: count - notes[f"end {line[6:]}"] for line, count in notes.items()})

    @contextmanager
    def watch(self, index: int) -> Iterator[bool]:
        """Note that a file is begun, and when it has ended; yield whether it may be scored.

        An interruption is no fault of the file; an error that was not foreseen is, as much as a crash.
        """
        if self._deaths[f"begin {index}"] >= MAX_DEATHS:
            yield False
            return
        self._note(f"begin {index}")
        at_fault = False
        try:
            yield True
        except Exception:
            at_fault = True
            raise
        finally:
            if not at_fault:
                self._note(f"end {index}")

    def forget(self) -> None:
        """Remove the notes: the shard is done."""
        self._path.unlink(missing_ok=True)

    def _note(self, line: str) -> None:
        with self._path.open("a", encoding="ascii") as stream:
            stream.write(f"{line}\n")
