"""The service: all its parts, started together and stopped together."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from typing import Any

from striq.errors import StriqError
from striq.reporting.file_lock import lock
from striq.serve.arrivals import Arrivals
from striq.serve.database import Database
from striq.serve.delivery import Delivery
from striq.serve.dicomweb_polling import DicomWebPoller
from striq.serve.disk import DiskBounds
from striq.serve.intake import Intake
from striq.serve.jobs import Jobs
from striq.serve.layout import Layout
from striq.serve.logs import Log
from striq.serve.loops import Loop
from striq.serve.metrics import Metrics
from striq.serve.outbox import Outbox
from striq.serve.pool import Run, WorkerPool
from striq.serve.queue import Queue
from striq.serve.retention import Expiry
from striq.serve.senders import DicomSender, DicomWebSender, WebhookSender
from striq.serve.settings import ServeSettings
from striq.serve.storage_scp import StorageScp, sop_class_uids
from striq.serve.watched_folder import FolderWatcher
from striq.serve.web import WebServer
from striq.serve.worker import run_worker

POLL_S, SEND_S, TIDY_S, STOP_S = 0.2, 0.5, 300.0, 10.0
EXPIRY_S = 3600.0


class Service:
    """The running service; it locks its folder.

    Args:
        settings: Its settings.
        log: Takes events.
        run: Main function of a worker; tests give another.

    Raises:
        StriqError: If another service runs in the folder, or the queue cannot be opened.
    """

    def __init__(self, settings: ServeSettings, log: Log, run: Run = run_worker) -> None:
        self.settings, self.log, self.layout = settings, log, Layout(settings.root)
        self.layout.create()
        self._lock = _locked(self.layout)
        self.database = Database(self.layout.database)
        self.queue, self.outbox = Queue(self.database), Outbox(self.database, settings.retry)
        self.disk = DiskBounds(self.layout, self.database, settings.disk)
        self.expiry = Expiry(self.layout, self.database, settings.retention)
        self.metrics = Metrics()
        self.metrics.watch(self.queue, self.outbox, self.disk)
        sop_classes = sop_class_uids(settings.storage.sop_classes)
        self.arrivals = Arrivals(Intake(self.layout, self.queue, self.disk, sop_classes), self.metrics, log)
        self.jobs = Jobs(settings, self.queue, self.outbox, self.metrics, log)
        self.pool = WorkerPool(settings, self.jobs, log, run)
        self.scp = StorageScp(settings.storage, self.arrivals) if settings.storage.enabled else None
        self.web = WebServer(settings.http, self.metrics.registry, self.health) if settings.http.enabled else None
        self.loops = self._loops()

    def _loops(self) -> list[Loop]:
        settings = self.settings
        loops = [
            self._loop(f"watch {n}", self._watcher(one), one.interval_s) for n, one in enumerate(settings.watch, 1)
        ]
        for source in settings.dicomweb:
            poller = DicomWebPoller(source, self.queue, self.arrivals)
            loops.append(self._loop(f"dicomweb {source.name}", poller.step, source.interval_s))
        for destination in settings.destinations:
            sender = DicomSender(destination) if destination.kind == "dicom" else DicomWebSender(destination)
            loops.append(self._loop(f"send {destination.name}", self._delivery(destination.name, sender), SEND_S))
        for webhook in settings.webhooks:
            step = self._delivery(webhook.name, WebhookSender(webhook))
            loops.append(self._loop(f"send {webhook.name}", step, SEND_S))
        if self.expiry.is_on:
            loops.append(self._loop("retention", lambda: self.expiry.remove(self.log), EXPIRY_S))
        return [*loops, self._loop("tidy", lambda: self.disk.remove_leftovers(at_start=False), TIDY_S)]

    def _loop(self, name: str, step: Callable[[], object], interval_s: float) -> Loop:
        return Loop(name, step, interval_s, self.log)

    def _watcher(self, settings: Any) -> Callable[[], object]:
        return FolderWatcher(settings, self.database, self.arrivals).step

    def _delivery(self, name: str, sender: Any) -> Callable[[], object]:
        return Delivery(name, sender, self.layout, self.outbox, self.metrics, self.log).step

    def start(self) -> None:
        """Start all parts.

        Raises:
            StriqError: If an address is in use.
        """
        self.disk.remove_leftovers(at_start=True)
        interrupted = self.queue.recover()
        self.expiry.announce(self.log)
        tempfile.tempdir = str(self.layout.incoming)  # so that received objects are moved, not copied
        self.pool.start()
        if self.scp is not None:
            self.scp.start()
        if self.web is not None:
            self.web.start()
        for loop in self.loops:
            loop.start()
        self.log("service started", interrupted=interrupted)

    def run(self, is_ending: Callable[[], bool] = lambda: False) -> None:
        """Start, and work until asked to end or an exception such as ``SystemExit`` arrives.

        Raises:
            StriqError: If an address is in use or the model cannot be loaded.
        """
        try:
            self.start()
            while not is_ending():
                self.pool.step(POLL_S)
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop all parts; what was not done is done after the next start."""
        until = time.monotonic() + STOP_S
        if self.scp is not None:
            self.scp.stop()
        if self.web is not None:
            self.web.stop()
        self.pool.stop()
        for loop in self.loops:
            loop.stop(until)
        tempfile.tempdir = None
        self.database.close()
        self._lock.close()
        self.log("service stopped")

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Return whether all is well, and what is not."""
        failing = [f"{loop.name}: {loop.error or 'ended'}" for loop in self.loops if loop.error or not loop.is_alive]
        if self.scp is not None and not self.scp.is_alive:
            failing.append("storage: ended")
        if not self.pool.num_ready:
            failing.append("workers: no model is loaded")
        if not self.disk.fits(0):
            failing.append("disk: full")
        counts = self.queue.counts()
        return not failing, {"failing": failing, "objects": counts, "dead_letters": len(self.outbox.dead())}


def _locked(layout: Layout) -> Any:
    try:
        return lock(layout.lock)
    except StriqError as error:
        msg = f"{layout.root}: another service runs in this folder. Stop it, or name another 'folder'."
        raise StriqError(msg) from error
