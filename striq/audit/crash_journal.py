"""Journal of the files being scored, so that a file that crashes its process is skipped after the third crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from striq.audit.layout import journal_path

MAX_CRASHES = 3  # two prove nothing: a process may also be killed from outside, twice in a long file
GIVEN_UP = "scoring it has ended its process"  # in the message of a file that is skipped


class CrashJournal:
    """Record of when the scoring of each file of a shard started and ended.

    A start without an end is a crash.

    Args:
        folder: Folder of the audit.
        number: Number of the shard.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._path = journal_path(folder, number)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = self._path.read_text(encoding="ascii", errors="replace") if self._path.is_file() else ""
        self._lines = Counter(text.splitlines())

    @contextmanager
    def watch(self, index: int) -> Generator[bool]:
        """Record start and end of the scoring of a file; yield whether it may be scored.

        An interruption does not count against the file. An unexpected exception counts like a crash.

        Args:
            index: Index of the file in the shard.
        """
        if self._num_crashes(index) >= MAX_CRASHES:
            yield False
            return
        self._write(f"start {index}")
        has_failed = False
        try:
            yield True
        except Exception:
            has_failed = True
            raise
        finally:
            if not has_failed:
                self._write(f"end {index}")

    def remove(self) -> None:
        """Remove the journal of a finished shard."""
        self._path.unlink(missing_ok=True)

    def _num_crashes(self, index: int) -> int:
        return self._lines[f"start {index}"] - self._lines[f"end {index}"]

    def _write(self, line: str) -> None:
        with self._path.open("a", encoding="ascii") as stream:
            stream.write(f"{line}\n")
