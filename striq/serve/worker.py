"""Worker process: loads the model once, scores objects and writes the reports of studies."""

from __future__ import annotations

import errno
import logging
import os
import signal
import threading
import time
import warnings
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

from striq.errors import StriqError, unexpected
from striq.serve.messages import Done, Failed, Job, Ready, Unusable
from striq.serve.queue import QueuedObject
from striq.serve.settings import Pool, ServeSettings

ORPHANED = 1  # exit status
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


def run_worker(connection: Connection, settings: ServeSettings, pool: Pool, threads: int) -> None:
    """Work on jobs until the connection is closed. This is the main function of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    warnings.simplefilter("ignore")  # of libraries, which may name patients
    logging.disable(logging.CRITICAL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        from striq.serve.scoring import ObjectScorer

        scorer = ObjectScorer(settings, pool.device, threads)
    except (StriqError, OSError) as error:
        connection.send(Unusable(str(error)))
        return
    connection.send(Ready())
    while True:
        try:
            job = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(_answer(scorer, job))


def _answer(scorer: Any, job: Job) -> Done | Failed:
    started = time.perf_counter()
    try:
        value = scorer.score(job) if isinstance(job, QueuedObject) else scorer.report(job)
    except Exception as error:
        return Failed(unexpected(error) if isinstance(error, StriqError) else type(error).__name__, _is_disk(error))
    return Done(value, time.perf_counter() - started)


def _is_disk(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in DISK_ERRORS


def _end_with_parent() -> None:
    """End the process when the service has ended, however it did; the job is done again later."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(ORPHANED)
