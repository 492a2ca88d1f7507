"""``striq pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striq.commands import given_settings, options
from striq.commands.terminal import check_device, check_writable, say, show_log


def pretrain(
    out: Annotated[Path, typer.Option("--out", "-o", help="File of backbone weights to write.")],
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="Files and folders of images and cines.")
    ] = None,
    phantom_subjects: Annotated[int, typer.Option(min=0, help="Synthetic subjects to add; 0 for none.")] = 30,
    frames_per_file: Annotated[int, typer.Option(min=1, help="Frames taken from a cine, evenly spaced.")] = 1,
    steps: Annotated[int, typer.Option(min=2, help="Optimizer steps, half a second each on two cores.")] = 1600,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted pretraining of --out.")] = False,
    backbone: Annotated[
        str, typer.Option("--backbone", help="Network: resnet18, or one of the lighter ones.")
    ] = "resnet18",
    seed: options.SeedOption = 0,
    threads: options.ThreadsOption = None,
    quiet: options.QuietOption = False,
) -> None:
    """Pretrain a backbone on unlabeled frames; pass the file to 'striq train' with --backbone."""
    check_writable(out)
    show_log(quiet=quiet)
    from striq.data.unlabeled import gather_images
    from striq.training.pretraining import PretrainingConfig, pretrain_backbone

    given_settings.check_backbone(backbone)
    check_device("cpu", threads)
    images = gather_images(paths or [], phantom_subjects=phantom_subjects, frames_per_file=frames_per_file)
    pretrain_backbone(images, out, PretrainingConfig(steps=steps, seed=seed, backbone=backbone), resume=resume)
    say(f"Pretrained on {len(images)} frames: {out}")
