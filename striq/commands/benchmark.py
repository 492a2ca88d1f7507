"""``striq study bench``."""

from __future__ import annotations

from typing import Annotated

import typer

from striq.commands import given_settings, options
from striq.commands.terminal import check_device, check_writable, say_report


def bench(
    out: options.OutOption,
    num_anchors: Annotated[int, typer.Option(min=1, help="Anchors of a plane.")] = 20,
    num_planes: Annotated[int, typer.Option(min=1, help="Planes of the model.")] = 4,
    batch: Annotated[list[int] | None, typer.Option(help="Frames at once; repeat for several.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of each part, of which the median is shown.")] = 20,
    backbone: Annotated[str, typer.Option(help="Network, as for 'striq pretrain'.")] = "resnet18",
    peers: Annotated[
        bool, typer.Option("--peers", help="Also time every baseline, and more planes, anchors and larger frames.")
    ] = False,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
) -> None:
    """Time a score part by part, beside the same score computed naively.

    Measures speed. 'striq study benchmark' measures quality.
    """
    check_writable(out / "benchmark.json")
    import torch

    from striq.evaluation.studies.benchmark import benchmark, encoder_flops
    from striq.evaluation.studies.benchmark_report import benchmark_report, encoder_floors_ms
    from striq.scoring.devices import pick_device

    given_settings.check_backbone(backbone)
    chosen = str(pick_device(check_device(device, threads)))
    timings = benchmark(
        batches=batch or (1, 32),
        num_anchors=num_anchors,
        num_planes=num_planes,
        repeats=repeats,
        device=chosen,
        backbone=backbone,
    )
    used, flops = torch.get_num_threads(), encoder_flops(backbone)
    floors = encoder_floors_ms(flops, chosen)
    say_report(benchmark_report(timings, device=chosen, threads=used, flops=flops, floors_ms=floors), out)
    if peers:
        from striq.evaluation.studies.benchmark_peers import time_growth, time_peers
        from striq.evaluation.studies.benchmark_peers_report import peers_report

        beside = time_peers(num_anchors=num_anchors, repeats=repeats, device=chosen)
        growths = time_growth(repeats=repeats, device=chosen)
        say_report(peers_report(beside, growths, device=chosen, threads=used), out)
