"""``striq reproduce``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from striq.commands import given_frames, given_settings, options
from striq.commands.terminal import check_device, check_writable, complain, say, show_log
from striq.types import FrameRecord

QUICK_SUBJECTS, QUICK_FOLDS, QUICK_VIEWS = 6, 2, 1
SOME_FAILED = 1  # exit status
PHANTOM_DATA = "Synthetic phantom with known quality."


def reproduce(
    out: options.OutOption,
    parts: Annotated[
        list[str] | None, typer.Argument(metavar="[PART]...", help="table1 ... table5, fig3 ... fig6, or all.")
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option("--data", help="Rated frames: a folder or CSV list.", show_default="a synthetic phantom"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small phantom, two folds, one seed, one epoch: to see that it works.")
    ] = False,
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation, by group.")] = 5,
    seeds: options.SeedsOption = 3,
    boxes: options.BoxesOption = None,
    clip: options.ClipOption = None,
    note: options.NoteOption = "",
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    rating_table: options.RatingTableOption = None,
    epochs: options.EpochsOption = None,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
    quiet: options.QuietOption = False,
) -> None:
    """Make the paper's tables and figures, each beside the printed figures; finished parts are kept."""
    check_writable(out / "reproduction.html")
    show_log(quiet=quiet)
    from striq.evaluation.agreement.training_setup import TrainingSetup
    from striq.evaluation.reproduction.parts import ALL, choose_parts
    from striq.evaluation.reproduction.run import ReproductionRun
    from striq.evaluation.reproduction.writing import reproduce as make
    from striq.reporting.reproduction_page import write_reproduction_page

    chosen = choose_parts(parts or [ALL])
    subjects = QUICK_SUBJECTS if quick and dataset is None else None
    notes: list[str] = []

    def read(seed: int) -> Sequence[FrameRecord]:
        records, found = given_frames.read_records(
            dataset,
            out,
            planes=planes,
            layout=layout,
            group_pattern=group_pattern,
            rating_table=rating_table,
            seed=seed,
            subjects=subjects,
        )
        notes[:] = [found]
        return records

    first = read(0)
    training = given_settings.make_training(1 if quick and epochs is None else epochs, 0)
    if quick:
        training = replace(training, views=QUICK_VIEWS)
    run = ReproductionRun(
        records_of_seed=_reuse(read, 0, first, same=dataset is not None),
        folder=out,
        setup=TrainingSetup(training=training, device=check_device(device, threads), quiet=quiet),
        data=_describe(dataset, first, quick=quick),
        note=given_frames.join_notes(note, *notes),
        num_folds=QUICK_FOLDS if quick else folds,
        num_seeds=1 if quick else seeds,
        extras=given_frames.baseline_extras(boxes, clip, out, dataset, planes, 0, subjects),
    )
    outcome = make(run, chosen)
    if outcome.kept:
        say(f"Kept from before: {', '.join(outcome.kept)}.")
    for name, reason in outcome.failed.items():
        complain(f"error: {name}: {reason}")
    say(f"Written: {write_reproduction_page(out)}")
    if outcome.failed:
        raise typer.Exit(SOME_FAILED)


def _reuse(
    read: Callable[[int], Sequence[FrameRecord]], seed: int, records: Sequence[FrameRecord], *, same: bool
) -> Callable[[int], Sequence[FrameRecord]]:
    """Return a reader that has read the frames of one seed, which are those of every seed if they are the same."""
    return lambda wanted: records if same or wanted == seed else read(wanted)


def _describe(dataset: Path | None, records: Sequence[FrameRecord], *, quick: bool) -> str:
    """Return what the frames are, without the folders that the data set lies in."""
    name = PHANTOM_DATA if dataset is None else f"{dataset.name}."
    planes = sorted({record.plane for record in records})
    groups = len({record.group for record in records})
    counts = f"{len(records)} frames of {groups} groups; planes: {', '.join(planes)}."
    return " ".join([name, counts, *(["Quick: one epoch, few frames."] if quick else [])])
