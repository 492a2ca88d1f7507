"""Tests of ``striq.evaluation.studies.benchmark``."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from striq.evaluation.studies.benchmark import (
    Timing,
    bench_frames,
    bench_scorer,
    benchmark,
    encoder_flops,
    naive_quality,
)
from striq.evaluation.studies.benchmark_report import benchmark_report, encoder_floors_ms

SIZE = (64, 64)


def test_naive_score_is_the_score() -> None:
    scorer = bench_scorer(2, 3, size=SIZE)
    with torch.inference_mode():
        scorer.range_low.copy_(torch.tensor([-1.0, -1.0, -1.0, -1.0, 0.0, 0.0]))
        scorer.range_high.copy_(torch.tensor([0.5, 0.5, 0.5, 0.5, 3.0, 5.0]))
        image = bench_frames(1, size=SIZE).flip(3)
        frozen, frame_terms = scorer.embed(image), scorer.frame_terms(image)
        for plane in (0, 1):
            fast = scorer.score_as_plane(frozen, frame_terms, plane).quality
            assert 0.05 < float(fast) < 0.95  # not clamped: a difference would show
            torch.testing.assert_close(naive_quality(scorer, image, plane), fast, atol=1e-5, rtol=0)


def test_every_part_is_timed_for_every_batch() -> None:
    timings = benchmark(batches=(1, 2), num_anchors=2, num_planes=2, repeats=2, size=SIZE)
    parts = [(timing.part, timing.batch) for timing in timings]
    assert len(set(parts)) == len(parts) == 30
    assert {part for part, batch in parts if batch == 2} < {part for part, batch in parts if batch == 1}
    assert all(0 < timing.fastest_ms <= timing.median_ms for timing in timings)


def test_table_says_how_much_faster_than_naive(tmp_path: Path) -> None:
    timings = [Timing("total", 1, "20", 25.0, 20.0), Timing("total, naive, full width", 1, "20", 200.0, 190.0)]
    report = benchmark_report(
        timings, device="cpu", threads=2, flops=3_660_000_000, floors_ms={"float32": 12.34, "bfloat16": 0.5}
    )
    text = report.write(tmp_path)
    assert "at least 12.3 ms in float32, 0.500 ms in bfloat16" in text
    assert "| total | 1 | 20 | 25.0 | 20.0 | 8.0 |" in text
    stored = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    assert (stored["threads"], stored["timings"][0]["median_ms"]) == (2, 25.0)


def test_encoder_takes_some_time_at_least() -> None:
    assert all(floor > 0 for floor in encoder_floors_ms(10**9, "cpu").values())


def test_half_the_width_is_a_quarter_of_the_arithmetic() -> None:
    wide, half = encoder_flops("resnet18"), encoder_flops("resnet18_half")
    assert 3.5e9 < wide < 3.8e9
    assert 0.2 * wide < half < 0.32 * wide
