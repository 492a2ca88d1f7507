"""Arrival of objects from any source: taken or refused, counted and logged."""

from __future__ import annotations

from pathlib import Path

from striq.serve.intake import Intake, Reason, RefusedError
from striq.serve.logs import Log
from striq.serve.metrics import Metrics


class Arrivals:
    """Takes objects and keeps count.

    Args:
        intake: Takes an object.
        metrics: Metrics of the service.
        log: Log of the service.
    """

    def __init__(self, intake: Intake, metrics: Metrics, log: Log) -> None:
        self.intake, self.metrics, self.log = intake, metrics, log

    def take(self, file: Path, origin: str, instance_uid: str | None = None) -> RefusedError | None:
        """Take a file from the folder ``incoming``; return why it was refused, ``None`` if it is in the queue now.

        The file is gone afterwards, in any case.

        Args:
            file: The complete file.
            origin: How it came.
            instance_uid: SOPInstanceUID that the sender stated.
        """
        try:
            is_new = self.intake.take(file, origin, instance_uid)
        except RefusedError as refused:
            return self._refuse(refused, origin)
        except OSError as error:
            return self._refuse(RefusedError(Reason.DISK_FULL, f"the disk failed: {type(error).__name__}"), origin)
        finally:
            file.unlink(missing_ok=True)
        (self.metrics.received if is_new else self.metrics.duplicates).labels(origin).inc()
        return None

    def _refuse(self, refused: RefusedError, origin: str) -> RefusedError:
        self.metrics.refused.labels(origin, refused.reason.value).inc()
        self.log("object refused", level="warning", origin=origin, reason=refused.reason.value, detail=refused.detail)
        return refused
