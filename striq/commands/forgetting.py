"""``striq forgetting``."""

from __future__ import annotations

from typing import Annotated

import typer

from striq.commands import options
from striq.commands.terminal import check_device, check_writable, say, show_log


def forgetting(
    out: options.OutOption,
    dataset: options.DatasetArgument = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds, from 0.")] = 3,
    subjects: Annotated[int, typer.Option(min=4, help="Subjects of the phantom.")] = 24,
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    rating_table: options.RatingTableOption = None,
    epochs: options.EpochsOption = None,
    device: options.DeviceOption = "auto",
) -> None:
    """Train plane by plane, with and without the projection, and see what later planes do to earlier ones."""
    check_writable(out / "forgetting.json")
    show_log()
    from striq.evaluation.studies.forgetting import Forgetting, measure_forgetting
    from striq.evaluation.studies.forgetting_report import FREE, PROTECTED, write_forgetting

    chosen = check_device(device)
    results: dict[str, list[Forgetting]] = {PROTECTED: [], FREE: []}
    note = ""
    for seed in range(seeds):
        source = dataset or options.phantom_table(out, planes, seed, subjects)
        records, note = options.read_records(
            source, out, planes=planes, layout=layout, group_pattern=group_pattern, rating_table=rating_table
        )
        for way, found in results.items():
            found.append(
                measure_forgetting(
                    records,
                    out / f"{'protected' if way == PROTECTED else 'free'}_seed{seed}",
                    seed=seed,
                    protect=way == PROTECTED,
                    order=planes or (),
                    training=options.make_training(epochs, seed),
                    device=chosen,
                )
            )
    say(write_forgetting(results, out, note=note if dataset else "Synthetic phantom, not patients."))
