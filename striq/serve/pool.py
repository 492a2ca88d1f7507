"""Worker processes: they get jobs, are watched, and are started again when they end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from striq.errors import StriqError
from striq.processors import num_processors
from striq.serve.jobs import Jobs
from striq.serve.logs import Log
from striq.serve.messages import Done, Failed, Job, Ready, Unusable
from striq.serve.settings import Pool, ServeSettings
from striq.serve.worker import run_worker

RESTART_S = 30.0  # until a model that could not be loaded is tried again
Run = Callable[[Connection, ServeSettings, Pool, int], None]


@dataclass
class _Worker:
    """A worker process and what it does.

    Attributes:
        pool: Settings of its pool.
        process: The process.
        connection: To it.
        is_ready: Whether its model is loaded.
        job: What it does; ``None`` if it is idle.
        started: When it began.
    """

    pool: Pool
    process: BaseProcess
    connection: Connection
    is_ready: bool = False
    job: Job | None = None
    started: float = 0.0


class WorkerPool:
    """The workers of all devices.

    Args:
        settings: Settings of the service.
        jobs: Where jobs come from.
        log: Log of the service.
        run: Main function of a worker; tests give another.
    """

    def __init__(self, settings: ServeSettings, jobs: Jobs, log: Log, run: Run = run_worker) -> None:
        self.settings, self.jobs, self.log, self._run = settings, jobs, log, run
        self._context = get_context("spawn")
        self._workers: list[_Worker] = []
        self._starts: list[tuple[float, Pool]] = []  # time and pool of workers to be started
        self._was_ready = False

    def start(self) -> None:
        """Start all workers; they load the model meanwhile."""
        self._workers = [self._start(pool) for pool in self.settings.scoring.pools for _ in range(pool.workers)]

    @property
    def num_ready(self) -> int:
        """Number of workers that have loaded the model."""
        return sum(worker.is_ready for worker in self._workers)

    def step(self, timeout_s: float) -> None:
        """Give jobs to idle workers, and take answers for at most some seconds.

        Raises:
            StriqError: If the model cannot be loaded at the start of the service.
        """
        due = [pool for at, pool in self._starts if at <= time.monotonic()]
        self._starts = [(at, pool) for at, pool in self._starts if at > time.monotonic()]
        self._workers += [self._start(pool) for pool in due]
        for worker in self._workers:
            if worker.is_ready and worker.job is None:
                self._give(worker)
        channels = {worker.connection: worker for worker in self._workers}
        for channel in wait(list(channels), timeout_s):
            self._take(channels[channel])  # type: ignore[index]
        for worker in list(self._workers):
            if worker.job is not None and time.monotonic() - worker.started > self.settings.scoring.max_seconds:
                self._end(worker, f"it took longer than {self.settings.scoring.max_seconds:g} s")

    def _give(self, worker: _Worker) -> None:
        job = self.jobs.next()
        if job is None:
            return
        worker.job, worker.started = job, time.monotonic()
        try:
            worker.connection.send(job)
        except OSError:
            self._end(worker, "it had ended")

    def _take(self, worker: _Worker) -> None:
        """Take one answer of a worker."""
        try:
            answer = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            self._end(worker, f"exit status {worker.process.exitcode}")
            return
        if isinstance(answer, Ready):
            worker.is_ready = self._was_ready = True
            self.log("worker ready", device=worker.pool.device)
        elif isinstance(answer, Unusable):
            self._unusable(worker, answer.reason)
        elif worker.job is not None:
            job, worker.job = worker.job, None
            if isinstance(answer, Failed):
                self.jobs.failed(job, answer)
            elif isinstance(answer, Done):
                self.jobs.done(job, answer)

    def _unusable(self, worker: _Worker, reason: str) -> None:
        if not self._was_ready:
            raise StriqError(reason)
        self._remove(worker)
        self.log("model cannot be loaded", level="error")
        self._starts.append((time.monotonic() + RESTART_S, worker.pool))

    def _end(self, worker: _Worker, how: str) -> None:
        """End a worker, count its job as a crash, and start another one."""
        self._remove(worker)
        if worker.job is not None:
            self.jobs.crashed(worker.job, f"its worker was ended: {how}")
        elif not worker.is_ready and not self._was_ready:
            msg = f"The worker on {worker.pool.device} ended while it loaded the model ({how}). Is there enough memory?"
            raise StriqError(msg)
        delay = 0.0 if worker.is_ready else RESTART_S
        self._starts.append((time.monotonic() + delay, worker.pool))

    def _remove(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.process.kill()
        worker.process.join()
        worker.connection.close()

    def stop(self) -> None:
        """End all workers; what they work on waits again."""
        for worker in list(self._workers):
            self._remove(worker)
            if worker.job is not None:
                self.jobs.give_back(worker.job)

    def _start(self, pool: Pool) -> _Worker:
        total = sum(other.workers for other in self.settings.scoring.pools)
        threads = pool.threads or max(1, num_processors() // total)
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=self._run, args=(theirs, self.settings, pool, threads), daemon=True)
        process.start()
        theirs.close()
        return _Worker(pool, process, ours)
