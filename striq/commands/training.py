"""``striq train`` and ``striq phantom``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from striq.commands import given_frames, given_settings, options
from striq.commands.anchor_counts import say_fewer_anchors
from striq.commands.terminal import be_quiet, check_device, check_writable, say, show_log


def train(
    out: options.OutOption,
    dataset: options.DatasetArgument = None,
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    rating_table: options.RatingTableOption = None,
    epochs: options.EpochsOption = None,
    anchors_strategy: options.StrategyOption = None,
    num_anchors: options.NumAnchorsOption = None,
    appearance_matching: options.AppearanceOption = None,
    mode: options.ModeOption = "affine",
    protocol: options.ProtocolOption = "joint",
    negatives: Annotated[
        Path | None,
        typer.Option(
            help="CSV (path,plane,group[,frame]) of frames of other planes that are easily taken for 'plane'; they "
            "become its negative anchors."
        ),
    ] = None,
    backbone: options.BackboneOption = None,
    download_imagenet: options.ImagenetOption = False,
    anchor_images: options.AnchorImagesOption = True,
    report_pictures: options.ReportPicturesOption = True,
    keep_paths: options.KeepPathsOption = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted training in --out.")] = False,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
    quiet: options.QuietOption = False,
    amp: Annotated[bool, typer.Option("--amp", help="Automatic mixed precision, on CUDA.")] = False,
) -> None:
    """Train a scorer without labels; write OUT/model.pt and a page on what it is worth, OUT/train_report.html."""
    check_writable(out / "model.pt")
    show_log(quiet=quiet)
    from striq.reporting.training_page import FILE, write_training_page
    from striq.training import run, sequential
    from striq.training.negative_anchors import read_negatives
    from striq.training.run_options import RunOptions

    records, _ = given_frames.read_records(
        dataset,
        out,
        planes=planes,
        layout=layout,
        group_pattern=group_pattern,
        rating_table=rating_table,
        seed=seed,
    )
    config = given_settings.make_config(mode, anchors_strategy, num_anchors, appearance_matching)
    say_fewer_anchors(records, config, num_anchors)
    training = given_settings.make_training(epochs, seed, amp=amp)
    run_options = RunOptions(
        out,
        device=check_device(device, threads),
        backbone=given_settings.find_backbone(backbone, download=download_imagenet, folder=out),
        resume=resume,
        anchor_images=anchor_images,
        report_pictures=report_pictures,
        keep_paths=keep_paths,
    )
    given: dict[str, Any] = {
        "config": config,
        "training": training,
        "report": write_training_page,
        "negatives": read_negatives(negatives),
    }
    if protocol == "sequential":
        sequential.train_sequential(records, run_options, order=planes or (), **given)
        pages = f"{FILE} in the folder of each plane"
    else:
        run.train_scorer(records, run_options, **given)
        pages = str(out / FILE)
    say(f"Trained on {len(records)} frames: {out / 'model.pt'}")
    say(f"What it is worth, and what to do next: {pages}")


def phantom(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    subjects: Annotated[int, typer.Option(min=1, help="Subjects.")] = given_frames.PHANTOM_SUBJECTS,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each subject and plane.")] = given_frames.PHANTOM_FRAMES,
    planes: options.PlanesOption = None,
    seed: options.SeedOption = 0,
    quiet: options.QuietOption = False,
) -> None:
    """Write a synthetic data set of six planes with known quality and known transforms."""
    from striq.data.phantom import write_phantom

    be_quiet(quiet=quiet)
    chosen = given_frames.check_drawable(planes)
    say(f"Phantom written: {write_phantom(folder, subjects, frames, planes=chosen, seed=seed)}")
