"""``striq study benchmark``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from striq.commands import given_frames, given_settings, options
from striq.commands.anchor_counts import say_fewer_anchors
from striq.commands.terminal import check_device, check_writable, say_report, show_log
from striq.types import FrameRecord


def benchmark(
    out: options.OutOption,
    dataset: options.DatasetArgument = None,
    unseen: Annotated[
        list[Path] | None,
        typer.Option(
            help="Frames never trained on, of known planes by other scanners or of anything else: a CSV list "
            "(path,plane), or a folder of one folder per plane; repeat for several."
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation, by group.")] = 5,
    nuisance_frames: Annotated[
        int | None, typer.Option(min=1, help="Frames of each plane changed by nuisances.", show_default="all")
    ] = None,
    note: options.NoteOption = "",
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    rating_table: options.RatingTableOption = None,
    epochs: options.EpochsOption = None,
    anchors_strategy: options.StrategyOption = None,
    num_anchors: options.NumAnchorsOption = None,
    appearance_matching: options.AppearanceOption = None,
    mode: options.ModeOption = "affine",
    backbone: options.BackboneOption = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
    quiet: options.QuietOption = False,
) -> None:
    """Measure quality on several planes at once, with controls; finished folds are not run again.

    Trains one model of all planes per fold. 'striq study bench' measures speed instead.
    """
    check_writable(out / "benchmark.json")
    show_log(quiet=quiet)
    from striq.evaluation.agreement.training_setup import TrainingSetup
    from striq.evaluation.statistics.bootstrap import BootstrapOptions
    from striq.evaluation.studies.quality_benchmark import run_benchmark
    from striq.evaluation.studies.quality_benchmark_report import quality_benchmark_report

    records, known = given_frames.read_records(
        dataset,
        out,
        planes=planes,
        layout=layout,
        group_pattern=group_pattern,
        rating_table=rating_table,
        seed=seed,
    )
    setup = TrainingSetup(
        config=given_settings.make_config(mode, anchors_strategy, num_anchors, appearance_matching),
        training=given_settings.make_training(epochs, seed),
        backbone=backbone,
        device=check_device(device, threads),
    )
    say_fewer_anchors(records, setup.config, num_anchors)
    apart = _read_unseen(unseen or ())
    scores = run_benchmark(records, apart, out, setup, num_folds=folds, nuisance_frames=nuisance_frames)
    report = quality_benchmark_report(
        scores, bootstrap=BootstrapOptions(seed), note=given_frames.join_notes(note, known)
    )
    say_report(report, out)


def _read_unseen(paths: Sequence[Path]) -> list[FrameRecord]:
    """Return the frames of several lists or folders; a flat folder is named by what its frames show."""
    from striq.data.datasets import load_dataset, recognize_layout
    from striq.data.datasets.generic import load_list

    found: dict[tuple[Path, int], FrameRecord] = {}
    for path in paths:
        layout = recognize_layout(path)
        if layout == "csv" and path.is_file():
            records = load_list(path, grouped=False)
        else:
            records = load_dataset(path, layout=layout, plane=path.resolve().name if layout == "flat" else None)
        found.update({(record.path.resolve(), record.frame_index): record for record in records})
    return list(found.values())
