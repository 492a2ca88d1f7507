"""``striq list``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from striq.atomic_files import write_csv
from striq.commands import given_frames, options
from striq.commands.terminal import be_quiet, check_writable, inform, say
from striq.errors import StriqError
from striq.types import FrameRecord

COLUMNS = ("path", "plane", "group", "frame")


def list_frames(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of frames or CSV list.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV list to write.")],
    planes: options.PlanesOption = None,
    layout: options.LayoutOption = "auto",
    group_pattern: options.GroupPatternOption = None,
    rating_table: Annotated[Path | None, typer.Option(help="CSV of ratings to include in the list.")] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to the existing list.")] = False,
    held_out: Annotated[Path | None, typer.Option(help="Second CSV list to write, of held-out groups.")] = None,
    hold_out: Annotated[float, typer.Option(min=0.01, max=0.99, help="Share of each plane's frames held out.")] = 0.25,
    seed: options.SeedOption = 0,
    quiet: options.QuietOption = False,
) -> None:
    """List the frames of a data set in a CSV, or in two CSVs without common groups; --append joins data sets."""
    be_quiet(quiet=quiet)
    for path in filter(None, (out, held_out)):
        check_writable(path)
    from striq.data import splits

    found, note = given_frames.read_records(
        dataset, out.parent, planes=planes, layout=layout, group_pattern=group_pattern, rating_table=rating_table
    )
    if rating_table is None:
        found = [replace(record, rating=None) for record in found]
    main, apart = (found, []) if held_out is None else splits.hold_out(found, hold_out, seed=seed)
    listed = _joined(out, main, append=append)
    listed_apart = [] if held_out is None else _joined(held_out, apart, append=append)
    splits.check_disjoint_groups(listed, listed_apart)
    _write(out, listed, len(main))
    if held_out is not None:
        _write(held_out, listed_apart, len(apart))
    if note:
        say(note)


def _joined(out: Path, found: Sequence[FrameRecord], *, append: bool) -> list[FrameRecord]:
    from striq.data.datasets import load_dataset

    known = load_dataset(out, layout="csv") if append and out.is_file() else []
    twice = {record.path.resolve() for record in known} & {record.path.resolve() for record in found}
    if twice:
        msg = f"{out}: lists {min(twice)} already. Leave out --append to start a new list."
        raise StriqError(msg)
    shared = {record.group for record in known} & {record.group for record in found}
    if shared:
        inform(f"{len(shared)} groups, such as {min(shared)!r}, are in both data sets and taken as the same patients.")
    return [*known, *found]


def _write(out: Path, records: Sequence[FrameRecord], new: int) -> None:
    rated = any(record.rating is not None for record in records)
    columns = [*COLUMNS, "rating"] if rated else COLUMNS
    write_csv(out, columns, [_row(record, out.parent, rated=rated) for record in records])
    say(f"Listed {new} frames, {len(records)} in all: {out}")


def _row(record: FrameRecord, folder: Path, *, rated: bool) -> tuple[object, ...]:
    try:
        path = Path(os.path.relpath(record.path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        path = record.path.resolve().as_posix()
    rating = ("" if record.rating is None else record.rating,) if rated else ()
    return path, record.plane, record.group, record.frame_index, *rating
