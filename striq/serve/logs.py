"""Log of the service: one JSON object per line on standard error, with numbers of the queue and no patient data."""

from __future__ import annotations

import json
import logging
import sys
import threading
import warnings
from datetime import datetime, timezone
from typing import IO

LIBRARIES = ("pynetdicom", "pydicom", "dicomweb_client", "highdicom", "urllib3")  # whose messages may hold names


class Log:
    """Writes events.

    Args:
        stream: Takes the lines; standard error by default.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def __call__(self, event: str, *, level: str = "info", **values: str | float | None) -> None:
        """Write one event.

        Args:
            event: What happened.
            level: ``info``, ``warning`` or ``error``.
            values: Numbers of studies and objects in the queue, names of the settings, counts and reasons. Values of
                DICOM headers, paths and UIDs do not belong here.
        """
        time = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps({"time": time, "level": level, "event": event, **values})
        with self._lock:
            stream = self._stream or sys.stderr
            stream.write(line + "\n")
            stream.flush()


def silence_libraries() -> None:
    """Let no library write messages or warnings, which may hold values of headers."""
    warnings.simplefilter("ignore")
    for name in LIBRARIES:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
