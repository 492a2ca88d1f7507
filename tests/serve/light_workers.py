"""Main functions of worker processes without a model, which behave as the name of the object says."""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection
from pathlib import Path

from striq.serve.messages import Done, Failed, Ready, ReportJob, Unusable
from striq.serve.settings import Pool, ServeSettings

CRASH, HANG, FULL_DISK = "1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3"
MARK = "disk_was_full"


def behave(connection: Connection, settings: ServeSettings, pool: Pool, threads: int) -> None:
    """Answer jobs; some end or stop this process."""
    del pool, threads
    connection.send(Ready())
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        assert not isinstance(job, ReportJob)
        if job.instance_uid == CRASH:
            os._exit(9)
        if job.instance_uid == HANG:
            time.sleep(60)
        mark = Path(settings.folder) / MARK
        if job.instance_uid == FULL_DISK and not mark.exists():
            mark.touch()
            connection.send(Failed("OSError", is_disk=True))
        else:
            connection.send(Done(1, 0.1))


def without_model(connection: Connection, settings: ServeSettings, pool: Pool, threads: int) -> None:
    """Say that the model cannot be loaded."""
    del settings, pool, threads
    connection.send(Unusable("model.pt: no such file. Give another."))
