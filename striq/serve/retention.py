"""Removal by age of pages and Parquet files; off unless the settings name days."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from striq.serve.database import Database
from striq.serve.disk import DELIVERED
from striq.serve.history import day_path
from striq.serve.layout import Layout
from striq.serve.logs import Log
from striq.serve.settings import Retention

DAY_S = 86_400.0
STUDIES = f"SELECT uid, first_received, last_received, {DELIVERED} AS is_delivered FROM studies"


class Expiry:
    """Pages and Parquet files that are older than they are kept.

    A page is as old as the last object of its study, a Parquet file as the last object of its studies. What belongs to
    a study that has an object without a report, a dead letter or an item to be sent is kept, however old.

    Args:
        layout: Paths of the service.
        database: The database of the queue.
        settings: How long files are kept.
        now: Returns the time in seconds since 1970.
    """

    def __init__(
        self, layout: Layout, database: Database, settings: Retention, now: Callable[[], float] = time.time
    ) -> None:
        self.layout, self.database, self.settings, self.now = layout, database, settings, now

    @property
    def is_on(self) -> bool:
        """Whether anything is removed by age."""
        return self.settings.pages_days > 0 or self.settings.parquet_days > 0

    def find(self) -> tuple[list[Path], list[Path]]:
        """Return the pages and the Parquet files that are to be removed now; nothing is removed."""
        pages: list[Path] = []
        days: dict[Path, bool] = {}
        for study in self.database.read(STUDIES) if self.is_on else ():
            if self._is_over(study["last_received"], self.settings.pages_days) and study["is_delivered"]:
                pages.append(self.layout.page(study["uid"]))
            day = day_path(self.layout.audit, study["first_received"])
            is_over = self._is_over(study["last_received"], self.settings.parquet_days) and study["is_delivered"]
            days[day] = days.get(day, True) and bool(is_over)
        tables = [day for day, is_over in days.items() if is_over]
        return [page for page in pages if page.is_file()], [table for table in tables if table.is_file()]

    def remove(self, log: Log) -> None:
        """Remove what is to be removed now, and say how much it was."""
        with self.database.transaction():  # no object of these studies can arrive meanwhile
            pages, tables = self.find()
            for path in (*pages, *tables):
                path.unlink(missing_ok=True)
        if pages or tables:
            log("removed by age", pages=len(pages), parquet_files=len(tables))

    def announce(self, log: Log) -> None:
        """Say how long files are kept."""
        if self.is_on:
            log("retention", pages_days=self.settings.pages_days, parquet_days=self.settings.parquet_days)
        else:
            log("retention is off", reason="pages and Parquet files are never removed")

    def _is_over(self, received: float, days: float) -> bool:
        return days > 0 and received < self.now() - days * DAY_S
