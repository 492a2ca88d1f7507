"""The contact sheet of ``striq anchors --sheet``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striq.anchors.identification import find_frames_of_anchors
from striq.anchors.thumbnails import as_picture, find_thumbnail
from striq.commands.options import FramesOptions
from striq.commands.terminal import say
from striq.data.loading import iterate_images, read_frame
from striq.errors import StriqError
from striq.reporting.anchor_sheet import SheetCell, draw_sheet
from striq.scoring.anchor_usage import agreement_ranks, count_nearest
from striq.scoring.scorer import StriqScorer
from striq.types import AnchorSource, FrameRecord


def write_sheet(scorer: StriqScorer, model: Path, sheet: Path, frames: FramesOptions) -> None:
    """Write the contact sheet of a model's anchors.

    Args:
        scorer: The model.
        model: Its file.
        sheet: Picture to write.
        frames: Frames to count on how often each anchor is nearest, and to take missing pictures from.

    Raises:
        StriqError: If there is no picture of any anchor.
    """
    records = frames.read()
    cells = [
        cell
        for plane, sources in zip(scorer.planes, scorer.bank.sources, strict=True)
        for cell in _cells(scorer, model, plane, sources, [record for record in records if record.plane == plane])
    ]
    missing = sum(cell.picture is None for cell in cells)
    if missing == len(cells):
        msg = (
            f"{model}: there are no pictures of its anchors: a model holds features, and no thumbnails lie in a folder "
            "'anchors' beside it. Give the frames that it was trained on: --frames LIST.csv."
        )
        raise StriqError(msg)
    without = f", {missing} of them without a picture" if missing else ""
    say(f"{len(cells)} anchors{without}: {draw_sheet(sheet, cells)}")


def _cells(
    scorer: StriqScorer, model: Path, plane: str, sources: Sequence[AnchorSource], records: Sequence[FrameRecord]
) -> list[SheetCell]:
    """Return the cells of one plane."""
    ranks = agreement_ranks(scorer, plane)
    size = scorer.config.encoder.size
    images = iterate_images(records, size, quiet=True)
    frames_of = find_frames_of_anchors(scorer.bank, scorer.plane_index(plane), images, scorer.embed)
    of_anchors = {number for found in frames_of for number in found}
    others = [record for number, record in enumerate(records) if number not in of_anchors]
    frames = (read_frame(record) for record in others)
    nearest = count_nearest(scorer, plane, frames) if others else []
    cells: list[SheetCell] = []
    for number, source in enumerate(sources):
        side = ", mirrored" if source.mirrored else ""
        lines = [source.path.rsplit("/", 1)[-1], f"frame {source.frame_index}{side}, group {source.group}"]
        lines.append(f"agreement: rank {ranks[number]} of {len(sources)}")
        lines += [f"nearest to {nearest[number]} of {len(others)} frames"] if others else []
        picture = find_thumbnail(model, plane, number)
        if picture is None and frames_of[number]:
            picture = _picture_of(records[frames_of[number][0]], size, mirrored=source.mirrored)
        cells.append(SheetCell(plane, number, picture, lines))
    return cells


def _picture_of(record: FrameRecord, size: tuple[int, int], *, mirrored: bool) -> NDArray[np.uint8]:
    """Return the picture of an anchor that comes from a frame."""
    image = next(iterate_images([record], size, quiet=True))[0]
    return np.asarray(as_picture(image.flip(-1) if mirrored else image))
