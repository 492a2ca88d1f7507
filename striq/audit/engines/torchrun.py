"""Audit by processes of ``torchrun``, on one machine or many; each takes the next shard when it is free."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch.distributed.rendezvous import rendezvous

from striq.audit.engines.processes import threads_each
from striq.audit.plan import Plan
from striq.audit.shard_files import is_done, pending_shards
from striq.audit.worker import AuditWorker
from striq.errors import StriqError
from striq.signals import ending_on_signals, exit_if_ending

LOG_NAME = "_plan/torchrun.log"
MAX_RESTARTS = 6  # enough for two files that crash their process three times each
INTERRUPTED = 130
ERROR = "error: "  # start of a line in the log
POLL_S = 0.5
LONGEST = timedelta(days=1)  # for planning a large archive


def under_torchrun() -> bool:
    """Return whether ``torchrun`` started this process."""
    return {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()


def join() -> tuple[Any, int]:
    """Return the store shared by the processes, and the rank of this process."""
    store, rank, _ = next(rendezvous("env://", timeout=LONGEST))
    return store, rank


def take_shards(store: Any, num_shards: int, key: str) -> Iterator[int]:
    """Yield the numbers of shards that no other process has taken.

    Args:
        store: Store shared by the processes, whose ``add`` is atomic.
        num_shards: Number of shards in the plan.
        key: Name of the counter.
    """
    while (number := store.add(key, 1) - 1) < num_shards:
        yield number


def wait_for_plan(store: Any, rank: int, make_plan: Callable[[], object]) -> None:
    """Make the plan in the first process, and wait for it in the others."""
    if rank == 0:
        make_plan()
        store.set("planned", "yes")
    store.wait(["planned"], LONGEST)


def wait_until_done(folder: Path, plan: Plan) -> None:
    """Wait until every shard has its file; ``torchrun`` ends this process if another one fails."""
    left = pending_shards(folder, plan)
    while left:
        time.sleep(POLL_S)
        left = [number for number in left if not is_done(folder, number, plan)]


def run_rank(store: Any, folder: Path, model: Path | None, device: str) -> None:
    """Score shards in this process until all are taken.

    Args:
        store: As for :func:`take_shards`.
        folder: Folder of the audit, with its plan.
        model: As for :class:`AuditWorker`.
        device: As for :class:`AuditWorker`.
    """
    worker = AuditWorker(folder, model, local_device(device))
    # Restarted processes share the store of those before, which took shards without finishing them.
    key = f"taken after {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')} restarts"
    for number in take_shards(store, len(worker.plan.shards), key):
        worker.run(number)


def local_device(device: str) -> str:
    """Return the device of this process; with CUDA, processes are distributed over the GPUs."""
    if device not in ("auto", "cuda") or not torch.cuda.is_available():
        return device
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"


def launch(
    folder: Path, model: Path | None, device: str, *, workers: int, watch: Callable[[], object] = lambda: None
) -> None:
    """Score the shards of an audit in several processes on this machine.

    Args:
        folder: Folder of the audit, with its plan.
        model: As for :class:`AuditWorker`.
        device: As for :class:`AuditWorker`.
        workers: Number of processes.
        watch: Called repeatedly while they work.

    Raises:
        StriqError: If they fail; finished shards remain.
    """
    log = folder / LOG_NAME
    with log.open("wb") as stream:
        process = subprocess.Popen(
            _command(folder, model, device, workers), env=_environment(workers), stdout=stream, stderr=stream
        )
        try:
            while process.poll() is None:
                watch()
                time.sleep(POLL_S)
        finally:
            process.terminate()  # its processes end with it
            process.wait()
    watch()
    errors = _errors(log)
    if process.returncode or errors:
        reason = errors[-1] if errors else "one of them ended without a message."
        msg = f"The processes of this audit failed: {reason} See {log}. Run the same command to resume."
        raise StriqError(msg)


def _command(folder: Path, model: Path | None, device: str, workers: int) -> list[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}"]
    rank = [f"--max-restarts={MAX_RESTARTS}", "-m", __name__, str(folder), str(model or ""), device]
    return [sys.executable, *launcher, *rank]


def _environment(workers: int) -> Mapping[str, str]:
    return {"OMP_NUM_THREADS": str(threads_each(workers)), **os.environ}


def _errors(log: Path) -> list[str]:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]


def main() -> None:
    """Run one process of :func:`launch`, for the audit named on the command line.

    A ``StriqError`` or ``OSError`` ends the process with status 0, because ``torchrun`` restarts it for any other
    status; the message is in the log.
    """
    folder, model, device = sys.argv[1:]
    try:
        with ending_on_signals():
            store, _ = join()
            run_rank(store, Path(folder), Path(model) if model else None, device)
    except (KeyboardInterrupt, SystemExit):
        exit_if_ending(INTERRUPTED)
        raise
    except (StriqError, OSError) as error:
        sys.stderr.write(f"{ERROR}{' '.join(str(error).split())}\n")


if __name__ == "__main__":
    main()
