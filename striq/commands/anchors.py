"""``striq anchors``: list, show and change the anchors of a model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.commands import given_frames, options
from striq.commands.named_model import HiddenModelOption, ModelArgument, named_once
from striq.commands.terminal import check_device, check_picture_name, check_writable, say
from striq.errors import StriqError

if TYPE_CHECKING:
    from striq.scoring.scorer import StriqScorer

COLUMNS = ("plane", "number", "path", "group", "frame", "mirrored", "kind")


def anchors(
    model: ModelArgument = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="CSV to write; with --exclude, --use or --negatives, the new model.",
            show_default="standard output",
        ),
    ] = None,
    sheet: Annotated[Path | None, typer.Option(help="Contact sheet to write: PNG, PDF or SVG.")] = None,
    exclude: Annotated[
        Path | None, typer.Option(help="CSV or text of anchors or negative anchors to leave out, as listed.")
    ] = None,
    use: Annotated[
        Path | None, typer.Option(help="CSV (path,plane,group[,frame]) of frames that become the planes' anchors.")
    ] = None,
    negatives: Annotated[
        Path | None,
        typer.Option(
            help="CSV (path,plane,group[,frame]) of frames of other planes that are easily taken for 'plane'."
        ),
    ] = None,
    frames: Annotated[
        Path | None, typer.Option(help="Unlabeled frames of the planes: folder or CSV list, as for 'striq train'.")
    ] = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    anchor_images: options.AnchorImagesOption = True,
    named_model: HiddenModelOption = None,
    device: options.DeviceOption = "auto",
    threads: options.ThreadsOption = None,
) -> None:
    """List the anchors of a model, show them on a sheet, or write a model with other anchors.

    The list has plane, number, path, group and frame of each anchor, whether it is a mirror image, and its kind: anchor
    or negative. --exclude leaves anchors out, --use takes other frames; ranges and weights of these planes are measured
    again on --frames, and all else stays as it is. --negatives gives planes negative anchors: a frame that is nearer to
    these than to the anchors loses quality as this plane, and is not named by it.
    """
    model = named_once(model, named_model)
    measured = any(given is not None for given in (exclude, use, sheet))
    changes = any(table is not None for table in (exclude, use, negatives))
    _check_wishes(out, sheet, frames, changes=changes, measured=measured)
    if sheet is not None:
        check_picture_name(sheet)
    given = given_frames.FramesOptions(frames, layout, group_pattern)
    from striq.commands.anchor_changes import ChangeLists, write_changed
    from striq.commands.anchor_pictures import write_sheet
    from striq.scoring.checkpoint import find_checkpoint
    from striq.scoring.loading import load_scorer

    file = find_checkpoint(model)
    scorer = load_scorer(file, check_device(device, threads))
    if out is not None and changes:
        write_changed(scorer, file, out, ChangeLists(exclude, use, negatives), given, anchor_images=anchor_images)
        return
    if sheet is not None:
        write_sheet(scorer, file, sheet, given)
    if sheet is None or out is not None:
        _list(scorer, out)


def _check_wishes(out: Path | None, sheet: Path | None, frames: Path | None, *, changes: bool, measured: bool) -> None:
    """Check that the options go together, and that the files can be written."""
    msg = ""
    if changes and sheet is not None:
        msg = "--sheet shows a model as it is. Change the anchors first, then draw the sheet of the new model."
    elif changes and out is None:
        msg = "--exclude, --use and --negatives write a new model. Name it: --out NEW_MODEL."
    elif frames is not None and not measured:
        msg = "--frames is used with --sheet, --exclude or --use, and none of them is given."
    if msg:
        raise StriqError(msg)
    for path in filter(None, (sheet, None if changes else out)):
        check_writable(path)


def _list(scorer: StriqScorer, out: Path | None) -> None:
    from striq.anchors.provenance import ANCHOR, NEGATIVE
    from striq.atomic_files import write_csv
    from striq.commands.anchor_counts import in_words

    rows = [
        [plane, number, source.path, source.group, source.frame_index, str(source.mirrored).lower(), kind]
        for plane, *banks in zip(scorer.planes, scorer.bank.sources, scorer.negatives.sources, strict=True)
        for kind, sources in zip((ANCHOR, NEGATIVE), banks, strict=True)
        for number, source in enumerate(sources)
    ]
    if out is not None:
        counts = Counter(row[-1] for row in rows)
        say(f"{in_words(counts[ANCHOR], counts[NEGATIVE])}: {write_csv(out, COLUMNS, rows)}")
        return
    for row in [COLUMNS, *rows]:
        say("\t".join(str(cell) for cell in row))
