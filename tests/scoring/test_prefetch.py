"""Tests of ``striq.scoring.prefetch``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from striq.scoring import scorer as scorer_module
from striq.scoring.prefetch import has_spare_core, prefetch
from striq.scoring.scorer import StriqScorer
from striq.types import Frame


def counting(made: list[int], stop: int) -> Iterator[int]:
    for number in range(stop):
        made.append(number)
        yield number


def test_items_come_in_order() -> None:
    assert list(prefetch(counting([], 20))) == list(range(20))


def test_the_next_item_is_made_while_the_present_one_is_used() -> None:
    begun = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        begun.set()
        yield 1

    iterator = prefetch(items())
    assert next(iterator) == 0
    assert begun.wait(timeout=10)
    assert list(iterator) == [1]


def test_no_more_than_one_item_waits() -> None:
    made: list[int] = []
    iterator = prefetch(counting(made, 100))
    next(iterator)
    next(iterator)
    iterator.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert len(made) <= 3


def test_an_error_is_raised_where_the_item_would_have_been() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise ValueError("broken frame")

    iterator = prefetch(items())
    assert next(iterator) == 0
    with pytest.raises(ValueError, match="broken frame"):
        next(iterator)


def test_abandoned_iteration_waits_for_the_item_begun() -> None:
    ended = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        time.sleep(0.5)
        ended.set()
        yield 1

    iterator = prefetch(items())
    next(iterator)
    iterator.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert ended.is_set()


PROGRAM = """
import sys, time
from striq.scoring.prefetch import prefetch
from striq.signals import ending_on_signals, exit_if_ending

def items():
    yield 0
    time.sleep(60)
    yield 1

try:
    with ending_on_signals():
        for item in prefetch(items()):
            print("reading", flush=True)
            BUSY
except KeyboardInterrupt:
    print("interrupted")
    exit_if_ending(130)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("busy", ["pass", "time.sleep(60)"], ids=["waiting", "computing"])
def test_interruption_does_not_wait_for_a_slow_file(busy: str) -> None:
    program = PROGRAM.replace("BUSY", busy)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130  # and not the minute that the file takes
        assert process.stdout.read() == "interrupted\n"


def test_no_core_is_left_where_operations_take_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert not has_spare_core()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert has_spare_core()


def test_a_system_without_affinity_is_asked_for_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert not has_spare_core()


def test_reading_ahead_changes_no_score(tiny_scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    frames = [Frame(generator.uniform(0.2, 1.0, (70, 80)).astype(np.float32), index=i) for i in range(6)]
    found = []
    for spare in (True, False):
        monkeypatch.setattr(scorer_module, "has_spare_core", lambda spare=spare: spare)
        found.append([score.quality for score in tiny_scorer.score(frames)])
    assert found[0] == found[1]
