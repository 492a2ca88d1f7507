"""Audit by a pool of Ray actors, on one machine or a cluster; only numbers of shards are sent between processes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from striq.audit.engines.processes import threads_each
from striq.audit.worker import AuditWorker
from striq.errors import StriqError
from striq.shipped_models import is_shipped_name

BLOCKS_PER_WORKER = 64  # of shard numbers; small blocks let all workers end at about the same time
STORE_BYTES = 128 * 1024**2  # Ray reserves a third of the memory by default


class ShardActor:
    """One worker of the pool.

    Args:
        folder: Folder of the audit, on a disk shared by all machines.
        model: As for :class:`AuditWorker`; empty for the shipped model.
        device: As for :class:`AuditWorker`.
    """

    def __init__(self, folder: str, model: str, device: str) -> None:
        self.worker = AuditWorker(Path(folder), Path(model) if model else None, device)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Score the shards whose numbers are in ``batch``."""
        for number in batch["shard"]:
            self.worker.run(int(number))
        return batch


def run_ray(
    folder: Path,
    model: Path | None,
    device: str,
    shards: Sequence[int],
    *,
    workers: int,
    threads: int | None = None,
    advance: Callable[[], object] = lambda: None,
) -> None:
    """Score shards with Ray Data, on the cluster named by ``RAY_ADDRESS`` or on this machine.

    Args:
        folder: Folder of the audit, with its plan.
        model: As for :class:`AuditWorker`.
        device: As for :class:`AuditWorker`.
        shards: Numbers of the shards to score.
        workers: Number of actors.
        threads: Threads of each actor; the processors are shared by default.
        advance: Called after each shard.

    Raises:
        StriqError: If Ray is not installed or the actors fail; finished shards remain.
    """
    ray = import_ray()
    threads = threads or threads_each(workers)
    try:
        _connect(ray, workers * threads)
    except Exception as error:  # Ray raises plain exceptions, for example after a timeout
        msg = f"Ray cannot be started: {_reason(error)} Run the same command to try again."
        raise StriqError(msg) from error
    try:
        numbers = ray.data.from_items(
            [{"shard": number} for number in shards],
            override_num_blocks=min(len(shards), BLOCKS_PER_WORKER * workers),
        )
        done = numbers.map_batches(
            ShardActor,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers),
            fn_constructor_args=(str(folder.absolute()), sent_model(model), device),
            **_share(ray, device, workers, threads),
        )
        for _ in done.iter_rows():
            advance()
    except ray.exceptions.RayError as error:
        msg = f"The workers of this audit failed: {_reason(error)} Run the same command to resume."
        raise StriqError(msg) from error
    finally:
        ray.shutdown()


def import_ray() -> Any:
    """Return the module ``ray``, with ``ray.data`` imported.

    Raises:
        StriqError: If it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray sends usage statistics by default
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        msg = "The engine 'ray' needs Ray Data. Install it: pip install 'striq[audit,ray]'."
        raise StriqError(msg) from error
    return ray


def _connect(ray: Any, num_cpus: int) -> None:
    """Join a cluster, or start one on this machine with one more processor, for reading the shard numbers."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(**quiet)
    else:
        ray.init(num_cpus=num_cpus + 1, object_store_memory=STORE_BYTES, include_dashboard=False, **quiet)
    ray.data.DataContext.get_current().enable_progress_bars = False


def sent_model(model: Path | None) -> str:
    """Return how workers with other working directories find a model: by its path, or a shipped one by its name."""
    if model is None:
        return ""
    return str(model if is_shipped_name(model) else model.absolute())


def _share(ray: Any, device: str, workers: int, threads: int) -> dict[str, float]:
    """Return the resources of each actor: a GPU or a fraction of one, or processors if there is no GPU."""
    gpus = ray.cluster_resources().get("GPU", 0)
    if device.startswith(("auto", "cuda")) and gpus:
        return {"num_gpus": min(1.0, gpus / workers)}
    return {"num_cpus": threads}


def _reason(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
