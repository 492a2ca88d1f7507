from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from striq.errors import StriqError
from striq.serve.pool import WorkerPool
from striq.serve.settings import Scoring
from tests.serve.conftest import Bench, make_settings, write_object
from tests.serve.light_workers import behave, without_model


def work(pool: WorkerPool, is_done: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < until
        pool.step(0.05)


def test_a_crash_and_a_hang_cost_only_their_object(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "service", scoring=Scoring(max_seconds=0.5))
    bench = Bench(settings)
    for number in range(1, 6):
        bench.receive(write_object(tmp_path / "a.dcm", 1, number))
    pool = WorkerPool(settings, bench.jobs, bench.log, behave)
    pool.start()
    try:

        def is_done() -> bool:
            bench.clock.time += 1  # so that the pause after the full disk ends
            return bench.queue.counts() == {"waiting": 0, "scoring": 0, "scored": 3, "dead": 2}

        work(pool, is_done)
    finally:
        pool.stop()
    reasons = {one.instance_uid: one.error for one in bench.queue.dead_objects()}
    assert reasons == {
        "1.2.1.1.1": "its worker was ended: exit status 9",
        "1.2.1.1.2": "its worker was ended: it took longer than 0.5 s",
    }
    assert bench.metric("striq_worker_crashes_total") == 6
    bench.database.close()


def test_what_is_worked_on_at_the_end_waits_again(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "service")
    bench = Bench(settings)
    bench.receive(write_object(tmp_path / "a.dcm", 1, 2))
    pool = WorkerPool(settings, bench.jobs, bench.log, behave)
    pool.start()
    work(pool, lambda: bench.queue.counts()["scoring"] == 1)
    pool.stop()
    assert bench.queue.counts()["waiting"] == 1
    bench.database.close()


def test_a_model_that_cannot_be_loaded_ends_the_service(bench: Bench) -> None:
    pool = WorkerPool(replace(bench.settings), bench.jobs, bench.log, without_model)
    pool.start()
    try:
        with pytest.raises(StriqError, match=r"model\.pt: no such file"):
            work(pool, lambda: False)
    finally:
        pool.stop()
