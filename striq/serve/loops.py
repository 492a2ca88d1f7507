"""Threads that do one thing over and over; an error is logged and never ends them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from striq.serve.logs import Log
from striq.serve.senders import RejectedError, UnreachableError

FORESEEN = (UnreachableError, RejectedError)  # whose text holds no values of headers


class Loop:
    """A thread that calls a function again and again.

    Args:
        name: Name in the log and in ``/health``.
        step: The function.
        interval_s: Seconds between the end of a call and the next.
        log: Log of the service.
    """

    def __init__(self, name: str, step: Callable[[], object], interval_s: float, log: Log) -> None:
        self.name, self.step, self.interval_s, self.log = name, step, interval_s, log
        self.error = ""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self, until: float) -> None:
        """Let the thread end after its present call, and wait for it.

        Args:
            until: Time on the monotonic clock at which not to wait any longer.
        """
        self._ending.set()
        self._thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self.step()
                self.error = ""
            except Exception as error:
                reason = str(error) if isinstance(error, FORESEEN) else type(error).__name__
                if reason != self.error:  # once, not at every call
                    self.log("step failed", level="error", part=self.name, reason=reason)
                self.error = reason
            self._ending.wait(self.interval_s)
