"""Tests of the functions that measure how long a user waits."""

from __future__ import annotations

import time
from threading import Thread

from timing import clock, slowness, spent


def test_clock_counts_what_blocks_a_window() -> None:
    started = clock()
    time.sleep(0.05)
    assert clock() - started > 0.045


def test_processor_time_counts_work_and_no_sleep() -> None:
    assert spent(lambda: time.sleep(0.05)) < 0.04
    assert spent(lambda: sum(range(1_000_000))) > 0.001


def test_slowness_does_not_count_other_work() -> None:
    alone = slowness()
    assert alone >= 1
    others = [Thread(target=lambda: time.sleep(0.1)) for _ in range(4)]
    for other in others:
        other.start()
    assert slowness() < 3 * alone
