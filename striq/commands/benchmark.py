"""``striq study bench``."""

from __future__ import annotations

from typing import Annotated

import typer

from striq.commands import options
from striq.commands.terminal import check_device, check_writable, say


def bench(
    out: options.OutOption,
    num_anchors: Annotated[int, typer.Option(min=1, help="Anchors of a plane.")] = 20,
    num_planes: Annotated[int, typer.Option(min=1, help="Planes of the model.")] = 4,
    batch: Annotated[list[int] | None, typer.Option(help="Frames at once; repeat for several.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of each part, of which the median is shown.")] = 20,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
) -> None:
    """Time a score part by part, beside the same score computed naively.

    Measures speed. 'striq study benchmark' measures quality.
    """
    check_writable(out / "benchmark.json")
    import torch

    from striq.evaluation.studies.benchmark import benchmark
    from striq.evaluation.studies.benchmark_report import benchmark_report, encoder_floors_ms
    from striq.scoring.devices import pick_device

    chosen = str(pick_device(check_device(device, threads)))
    timings = benchmark(
        batches=batch or (1, 32), num_anchors=num_anchors, num_planes=num_planes, repeats=repeats, device=chosen
    )
    used, floors = torch.get_num_threads(), encoder_floors_ms(chosen)
    say(benchmark_report(timings, device=chosen, threads=used, floors_ms=floors).write(out))
