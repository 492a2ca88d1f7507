"""``striq list``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from striq.commands import options
from striq.commands.terminal import check_writable, complain, say
from striq.errors import StriqError
from striq.types import FrameRecord
from striq.writing import write_csv

COLUMNS = ("path", "plane", "group", "frame")


def list_frames(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of frames or CSV list.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV list to write.")],
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    append: Annotated[bool, typer.Option("--append", help="Keep what the list already names.")] = False,
) -> None:
    """List the frames of a data set in a CSV, without ratings; with --append, to join several data sets."""
    check_writable(out)
    from striq.data.datasets import load_dataset

    found, _ = options.read_records(dataset, out.parent, planes=planes, layout=layout, group_pattern=group_pattern)
    known = load_dataset(out, layout="csv") if append and out.is_file() else []
    twice = {record.path.resolve() for record in known} & {record.path.resolve() for record in found}
    if twice:
        msg = f"{out} names {min(twice)} already. Leave --append out to start a new list."
        raise StriqError(msg)
    shared = {record.group for record in known} & {record.group for record in found}
    if shared:
        complain(f"{len(shared)} groups, such as {min(shared)!r}, are in both: taken as the same patients.")
    write_csv(out, COLUMNS, [_row(record, out.parent) for record in (*known, *found)])
    say(f"Listed {len(found)} frames, {len(known) + len(found)} in all: {out}")


def _row(record: FrameRecord, folder: Path) -> tuple[object, ...]:
    try:
        path = Path(os.path.relpath(record.path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        path = record.path.resolve().as_posix()
    return path, record.plane, record.group, record.frame_index
