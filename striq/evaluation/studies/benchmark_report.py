"""Report of the benchmark: time of each part, and how much faster a score is than the naive one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.studies.benchmark import NAIVE, Timing, encoder_floor_ms

FLOOR_PRECISIONS = ("float32", "bfloat16")


def encoder_floors_ms(flops: int, device: str) -> dict[str, float]:
    """Return the least time of the encoder's arithmetic in each precision on a device, milliseconds a frame."""
    return {name: encoder_floor_ms(flops, device, getattr(torch, name)) for name in FLOOR_PRECISIONS}


def benchmark_report(
    timings: Sequence[Timing], *, device: str, threads: int, flops: int, floors_ms: Mapping[str, float]
) -> StudyReport:
    """Return the report of a benchmark.

    Args:
        timings: Time of each part.
        device: Device that computed.
        threads: Threads of the CPU.
        flops: Additions and multiplications by which a frame is encoded.
        floors_ms: Least time of the encoder's arithmetic by precision, milliseconds a frame.
    """
    naive = next((timing.median_ms for timing in timings if timing.part == NAIVE), None)
    rows = [
        [
            timing.part,
            str(timing.batch),
            timing.anchors,
            _milliseconds(timing.median_ms),
            _milliseconds(timing.fastest_ms),
            f"{naive / timing.median_ms:.1f}" if naive and timing.part.startswith("total") else "",
        ]
        for timing in timings
    ]
    columns = ["Part", "Frames at once", "Anchors", "ms per frame, median", "fastest", "naive, full width / this"]
    floors = ", ".join(f"{_milliseconds(floor)} ms in {name}" for name, floor in floors_ms.items())
    remark = f"{device}, {threads} threads. Encoder: {flops / 1e9:.2f} GFLOP a frame, at least {floors}."
    return StudyReport(
        name="benchmark",
        title="Time of a score",
        tables=[ReportTable(columns, rows, remarks=[remark])],
        facts={
            "device": device,
            "threads": threads,
            "torch": torch.__version__,
            "encoder_flops": flops,
            "encoder_floors_ms": floors_ms,
            "timings": timings,
        },
    )


def _milliseconds(time: float) -> str:
    return f"{time:.1f}" if time >= 1 else f"{time:.3f}"
