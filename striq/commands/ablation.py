"""``striq study ablate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striq.commands import given_frames, given_settings, options
from striq.commands.terminal import check_device, check_writable, inform, say, say_report, show_log

MISSING_OUT = "Name a folder for the results."


def ablate(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the results; not needed with --list.")
    ] = None,
    rows: Annotated[
        list[str] | None, typer.Argument(metavar="[ROW]...", help="Tables or rows that --list names; all by default.")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="Rated frames.", show_default="a synthetic phantom per seed")
    ] = None,
    seeds: options.SeedsOption = 3,
    list_only: Annotated[bool, typer.Option("--list", help="Only list the rows and what each changes.")] = False,
    subjects: options.SubjectsOption = 24,
    test_share: Annotated[float, typer.Option(min=0.05, max=0.95, help="Share of the groups that is scored.")] = 0.25,
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    rating_table: options.RatingTableOption = None,
    epochs: options.EpochsOption = None,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
    quiet: options.QuietOption = False,
) -> None:
    """Change one setting at a time, train, and compare with ratings; finished rows are not run again."""
    from striq.evaluation.studies.ablation_rows import ablation_rows, choose_rows

    known = ablation_rows()
    chosen = choose_rows(rows or ())
    if list_only:
        for name in chosen:
            say(f"{name}: {dict(known[name]) or 'nothing changed'}")
        return
    if out is None:
        raise typer.BadParameter(MISSING_OUT, param_hint="--out")
    check_writable(out / "ablation.json")
    show_log(quiet=quiet)
    from striq.evaluation.agreement.training_setup import TrainingSetup
    from striq.evaluation.studies import ablation
    from striq.evaluation.studies.ablation_report import ablation_report

    device_name = check_device(device, threads)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in chosen}
    note = ""
    for seed in range(seeds):
        records, note = given_frames.read_records(
            dataset,
            out,
            planes=planes,
            layout=layout,
            group_pattern=group_pattern,
            rating_table=rating_table,
            seed=seed,
            subjects=subjects,
        )
        data = ablation.AblationData.load(records, seed=seed, test_fraction=test_share)
        setup = TrainingSetup(training=given_settings.make_training(epochs, seed), device=device_name)
        runner = ablation.AblationRunner(data, out, setup)
        for name in chosen:
            results[name].append(runner.run(name, known[name]))
    say_report(ablation_report(results, note=note), out)
    _report_activations([ablation.activations_file(out, name, 0) for name in chosen], out, note)


def _report_activations(files: list[Path], out: Path, note: str) -> None:
    from striq.errors import StriqError
    from striq.evaluation.studies.activations import Activations, activations_report

    found = {(one := Activations.load(file)).rank: one for file in reversed(files) if file.is_file()}
    if len(found) < 2:  # nothing to compare one rank with
        return
    try:
        say_report(activations_report(list(found.values()), note=note), out)
    except StriqError as error:
        inform(str(error))
