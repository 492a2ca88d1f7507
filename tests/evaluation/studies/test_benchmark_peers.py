"""Tests of ``striq study bench --peers``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from striq.baselines.protocol import BASELINES
from striq.evaluation.studies import benchmark_peers
from striq.evaluation.studies.benchmark import NAIVE, Timing, bench_frames, bench_scorer
from striq.evaluation.studies.benchmark_peers import STRIQ, FramesOnDemand, Growth, time_growth, time_peers
from striq.evaluation.studies.benchmark_peers_report import peers_report

SIZE = (64, 64)


def test_every_method_is_timed_in_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_peers, "SPARE_FRAMES", 4)
    names = [name for name in BASELINES if name.startswith(("pooled kNN", "Tenengrad", "ARNIQA"))]  # the last learns
    assert len(names) == 3
    found = time_peers(num_anchors=3, repeats=1, size=SIZE, names=names)
    assert [timing.part for timing in found] == [STRIQ, NAIVE, *sorted(names)]
    assert all(timing.fastest_ms > 0 for timing in found)


def test_features_are_computed_only_for_baselines_that_use_them() -> None:
    scorer = bench_scorer(1, 2, size=SIZE)
    asked: list[int] = []

    def embed(images: torch.Tensor):
        asked.append(len(images))
        return scorer.embed(images)

    with torch.inference_mode():
        frames = FramesOnDemand(bench_frames(2, size=SIZE), embed)
        assert len(frames) == 2
        assert not asked
        assert frames.features is frames.features
        assert asked == [2]
        assert len(frames[torch.tensor([1])]) == 1


def test_time_grows_with_the_number_of_anchors() -> None:
    (planes, anchors, sides) = time_growth(
        planes=(1, 2), anchors=(1, 6), sides=(64,), num_anchors=2, repeats=2, size=SIZE
    )
    assert (planes.values, anchors.values, sides.values) == ((1, 2), (1, 6), (64,))
    few, many = (timing.fastest_ms for timing in anchors.times[NAIVE])
    assert many > 1.2 * few
    assert [timing.anchors for timing in planes.times[STRIQ]] == ["1 x 2", "2 x 2"]


def test_report_has_a_table_and_a_picture(tmp_path: Path) -> None:
    def timing(part: str, median: float) -> Timing:
        return Timing(part, 1, "20", median, median)

    growth = Growth("planes", (1, 2), {STRIQ: [timing(STRIQ, 30), timing(STRIQ, 40)], NAIVE: [timing(NAIVE, 500)] * 2})
    peers = [timing(STRIQ, 30.0), timing(NAIVE, 600.0), timing("pooled kNN", 15.0)]
    text = peers_report(peers, [growth, growth], device="cpu", threads=2).write(tmp_path)
    assert text.index("| pooled kNN | 15.0 | 15.0 | 0.50 |") < text.index("| STRIQ | 30.0 | 30.0 | 1.00 |")
    assert "| naive, at the published width | 600.0 | 600.0 | 20.00 |" in text
    assert "| 2 | 40.0 | 500.0 |" in text
    stored = json.loads((tmp_path / "peers.json").read_text(encoding="utf-8"))
    assert stored["growth"][0]["times"][STRIQ][1]["median_ms"] == 40
    assert (tmp_path / "peers.png").stat().st_size > 10_000
