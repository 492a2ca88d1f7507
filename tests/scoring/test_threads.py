"""Tests of ``striq.scoring.threads``: frames are read ahead where a core is left, and scored alike either way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from striq.scoring import scorer as scorer_module
from striq.scoring.scorer import StriqScorer
from striq.scoring.threads import has_spare_core
from striq.types import Frame


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
