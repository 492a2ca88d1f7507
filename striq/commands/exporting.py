"""``striq export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striq.commands.named_model import HiddenModelOption, ModelArgument, named_once
from striq.commands.options import QuietOption, ThreadsOption
from striq.commands.terminal import be_quiet, check_device, check_writable, say
from striq.errors import StriqError

KINDS = {".ts": "torchscript", ".onnx": "onnx", ".pt2": "torch-export"}


def export(
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .ts, .onnx or .pt2.")],
    model: ModelArgument = None,
    kind: Annotated[
        str | None,
        typer.Option("--format", help=f"{', '.join(KINDS.values())}.", show_default="by the suffix of the file"),
    ] = None,
    planes: Annotated[
        list[str] | None,
        typer.Option(
            help="Plane to score frames as; repeat for several, in the order of the outputs.", show_default="all"
        ),
    ] = None,
    named_model: HiddenModelOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Export a model to one file that runs without STRIQ: prepared frames in, the quality as each plane out."""
    model, chosen = named_once(model, named_model), choose_kind(out, kind)
    check_writable(out)
    be_quiet(quiet=quiet)
    from striq.scoring.export import export_scorer
    from striq.scoring.loading import load_scorer

    written = export_scorer(load_scorer(model, check_device("cpu", threads)), out, chosen, planes or ())
    size = written.path.stat().st_size / 1e6
    say(f"{', '.join(written.planes)}: {out}, {size:.1f} MB; scores within {written.difference:.0e} of the model's")


def choose_kind(out: Path, kind: str | None) -> str:
    """Return the given format, or the one that the suffix of the file stands for.

    Raises:
        StriqError: If the format is unknown, missing, or contradicts the suffix.
    """
    implied = KINDS.get(out.suffix.lower())
    if kind is not None and kind not in KINDS.values():
        msg = f"--format {kind!r} is not one of {', '.join(KINDS.values())}."
        raise StriqError(msg)
    if kind is None and implied is None:
        msg = f"{out}: the suffix says no format. Use {', '.join(KINDS)}, or give --format {'|'.join(KINDS.values())}."
        raise StriqError(msg)
    if kind is not None and implied is not None and kind != implied:
        msg = f"{out}: the suffix stands for {implied}, --format is {kind}. Change one of them."
        raise StriqError(msg)
    return str(kind or implied)
