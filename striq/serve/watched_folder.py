"""Watched folder: DICOM files that have settled are taken."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from striq.serve.arrivals import Arrivals
from striq.serve.database import Database
from striq.serve.settings import WatchedFolder

ORIGIN = "folder"


class FolderWatcher:
    """Takes the files of a folder.

    Args:
        settings: The folder.
        database: The database, which knows the files that were looked at.
        arrivals: Takes objects.
    """

    def __init__(self, settings: WatchedFolder, database: Database, arrivals: Arrivals) -> None:
        self.settings, self.database, self.arrivals = settings, database, arrivals

    def step(self) -> None:
        """Look at the folder once.

        Raises:
            OSError: If the folder cannot be read.
        """
        folder = Path(self.settings.folder)
        os.scandir(folder).close()  # raises if it cannot be read, which os.walk would not tell
        for path in _files(folder):
            try:
                found = path.stat()
            except OSError:  # removed since
                continue
            is_settled = time.time() - found.st_mtime >= self.settings.settle_s
            if is_settled and not self._is_seen(path, found):
                self._take(path, found)

    def _take(self, path: Path, found: os.stat_result) -> None:
        try:
            with path.open("rb") as stream:
                copy = self.arrivals.intake.copy(stream, f"{uuid.uuid4().hex}.dcm")
        except OSError as error:
            self.arrivals.log("file cannot be copied", level="warning", reason=type(error).__name__)
            return
        outcome = self.arrivals.take(copy, ORIGIN)
        if outcome is not None and outcome.is_temporary:
            return  # looked at again
        if self.settings.remove and outcome is None:
            path.unlink(missing_ok=True)
        else:
            self._note(path, found)

    def _is_seen(self, path: Path, found: os.stat_result) -> bool:
        query = "SELECT 1 FROM seen_files WHERE path = ? AND size = ? AND mtime_ns = ?"
        return bool(self.database.read(query, [os.fsencode(path), found.st_size, found.st_mtime_ns]))

    def _note(self, path: Path, found: os.stat_result) -> None:
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO seen_files (path, size, mtime_ns) VALUES (?, ?, ?)",
                [os.fsencode(path), found.st_size, found.st_mtime_ns],
            )


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, in order; hidden ones are left out, as programs name unfinished files."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))
