"""Bounds of disk space: the oldest objects are removed once their reports went out; else new ones are refused."""

from __future__ import annotations

import shutil
import threading
import time

from striq.serve.database import Database
from striq.serve.layout import Layout
from striq.serve.settings import Disk

GIGABYTE = 10**9
STALE_S = 3600.0  # of a file in the folder 'incoming', whose sender is gone
KEPT = "SELECT COALESCE(SUM(size), 0) AS bytes FROM objects WHERE is_kept"
DELIVERED = """(
NOT EXISTS (SELECT 1 FROM objects WHERE study = studies.number AND (revision = 0 OR state = 'dead'))
AND NOT EXISTS (SELECT 1 FROM outbox WHERE study = studies.number AND state != 'sent')
)"""
REMOVABLE = f"""
SELECT studies.number, studies.uid FROM studies
WHERE EXISTS (SELECT 1 FROM objects WHERE study = studies.number AND is_kept) AND {DELIVERED}
ORDER BY studies.last_received LIMIT 1
"""


class DiskBounds:
    """Keeps the received objects within their bounds.

    Args:
        layout: Paths of the service.
        database: The database of the queue.
        settings: The bounds.
    """

    def __init__(self, layout: Layout, database: Database, settings: Disk) -> None:
        self.layout, self.database, self.settings = layout, database, settings
        self._lock = threading.Lock()
        self._bytes = int(database.read(KEPT)[0]["bytes"])

    @property
    def bytes_kept(self) -> int:
        """Bytes of the objects that are kept."""
        return self._bytes

    def release(self, size: int) -> None:
        """Give room back that was not used."""
        with self._lock:
            self._bytes -= size

    def fits(self, size: int) -> bool:
        """Return whether an object of that size is within the bounds."""
        free = shutil.disk_usage(self.layout.root).free
        within = self._bytes + size <= self.settings.max_gb * GIGABYTE
        return within and free - size >= self.settings.min_free_gb * GIGABYTE

    def make_room(self, size: int) -> bool:
        """Remove the oldest reported studies until an object fits, and count it; return whether it does."""
        with self._lock:
            while not self.fits(size):
                if not self._remove_oldest():
                    return False
            self._bytes += size
            return True

    def _remove_oldest(self) -> bool:
        """Remove the objects of the oldest study whose reports all went out; return whether there was one."""
        found = self.database.read(REMOVABLE)
        if not found:
            return False
        number, uid = found[0]
        query = "SELECT number, instance_uid, digest, size FROM objects WHERE study = ? AND is_kept"
        objects = self.database.read(query, [number])
        with self.database.transaction() as connection:
            connection.executemany(
                "UPDATE objects SET is_kept = 0 WHERE number = ?", [(one["number"],) for one in objects]
            )
        shutil.rmtree(self.layout.outbox / uid, ignore_errors=True)
        for one in objects:  # one by one, because another object of the study may be arriving
            self.layout.source(uid, one["instance_uid"], one["digest"]).unlink(missing_ok=True)
            self.layout.result(one["number"]).unlink(missing_ok=True)
        self._bytes -= sum(one["size"] for one in objects)
        return True

    def remove_leftovers(self, *, at_start: bool) -> None:
        """Remove files that a sender has left behind; at the start also objects that are not in the queue.

        Args:
            at_start: Whether no object is being received.
        """
        oldest = time.time() if at_start else time.time() - STALE_S
        for path in self.layout.incoming.iterdir():
            if path.stat().st_mtime <= oldest:
                path.unlink(missing_ok=True)
        if at_start:
            self._remove_unknown()

    def _remove_unknown(self) -> None:
        """Remove objects whose sender was never told that they were taken, and those that were being removed."""
        rows = self.database.read(
            "SELECT studies.uid, objects.instance_uid, objects.digest FROM objects "
            "JOIN studies ON studies.number = objects.study WHERE objects.is_kept"
        )
        known = {self.layout.source(*row) for row in rows}
        for folder in self.layout.objects.iterdir():
            for path in folder.iterdir():
                if path not in known:
                    path.unlink()
            if not any(folder.iterdir()):
                folder.rmdir()
