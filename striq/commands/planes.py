"""``striq add-plane``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striq.commands import given_frames, given_settings, options
from striq.commands.terminal import check_device, check_writable, say, say_report, show_log


def add_plane(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new plane.")],
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of its frames or CSV list.")],
    out: options.OutOption,
    model: options.ModelOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    epochs: options.EpochsOption = None,
    anchor_images: options.AnchorImagesOption = True,
    report_pictures: options.ReportPicturesOption = True,
    keep_paths: options.KeepPathsOption = False,
    check: Annotated[
        Path | None, typer.Option(help="Frames of other groups, of old and new planes, to compare the models on.")
    ] = None,
    note: options.NoteOption = "",
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted training in --out.")] = False,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
    quiet: options.QuietOption = False,
) -> None:
    """Add a plane to a model, without labels and without frames of its other planes; write OUT/model.pt."""
    check_writable(out / "model.pt")
    show_log(quiet=quiet)
    from striq.anchors.thumbnails import copy_thumbnails
    from striq.data.splits import check_disjoint_groups
    from striq.reporting.training_page import FILE, write_training_page
    from striq.scoring.checkpoint import find_checkpoint
    from striq.scoring.loading import load_scorer
    from striq.training import sequential
    from striq.training.run_options import RunOptions

    records, _ = given_frames.read_records(dataset, out, planes=[name], layout=layout, group_pattern=group_pattern)
    checked, known = ([], "") if check is None else given_frames.read_records(check, out)
    check_disjoint_groups(records, checked)
    chosen = check_device(device, threads)
    before = load_scorer(model, chosen)
    scorer = sequential.add_plane(
        before,
        records,
        RunOptions(
            out,
            device=chosen,
            resume=resume,
            anchor_images=anchor_images,
            report_pictures=report_pictures,
            keep_paths=keep_paths,
        ),
        training=given_settings.make_training(epochs, seed),
        report=write_training_page,
    )
    if anchor_images:
        copy_thumbnails(find_checkpoint(model), out, before.planes)
    say(f"The model now knows {', '.join(scorer.planes)}: {out / 'model.pt'}")
    say(f"What the training is worth, and what to do next: {out / FILE}")
    if check is not None:
        from striq.evaluation.studies.plane_addition import compare_models, plane_addition_report

        changes = compare_models(before, scorer, checked)
        say_report(plane_addition_report(changes, note=given_frames.join_notes(note, known)), out)
