"""``striq curves``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striq.commands.terminal import check_picture_name, check_writable, say


def curves(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training, or the 'tensorboard' in it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture to write: PNG, PDF or SVG.")],
) -> None:
    """Draw the curves of a training: loss and endpoint error."""
    check_writable(out)
    check_picture_name(out)
    from striq.reporting.curves import draw_curves
    from striq.training.curves import TENSORBOARD, read_curves

    folder = run / TENSORBOARD if (run / TENSORBOARD).is_dir() else run
    say(f"Curves: {draw_curves(out, read_curves(folder))}")
