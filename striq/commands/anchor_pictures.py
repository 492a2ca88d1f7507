"""The contact sheet of ``striq anchors --sheet``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striq.anchors.bank import AnchorBank
from striq.anchors.identification import find_frames_of_anchors
from striq.anchors.provenance import ANCHOR, NEGATIVE
from striq.anchors.thumbnails import as_picture, find_thumbnail
from striq.commands.anchor_counts import in_words
from striq.commands.given_frames import FramesOptions
from striq.commands.terminal import say
from striq.data.loading import iterate_images, read_frame
from striq.errors import StriqError
from striq.reporting.anchor_sheet import SheetCell, draw_sheet
from striq.scoring.anchor_usage import agreement_ranks, count_nearest
from striq.scoring.scorer import StriqScorer
from striq.types import AnchorSource, FrameRecord


def write_sheet(scorer: StriqScorer, model: Path, sheet: Path, frames: FramesOptions) -> None:
    """Write the contact sheet of a model's anchors and negative anchors.

    Args:
        scorer: The model.
        model: Its file.
        sheet: Picture to write.
        frames: Frames to count on how often each anchor is nearest, and to take missing pictures from.

    Raises:
        StriqError: If there is no picture of any anchor.
    """
    records = frames.read()
    cells = [cell for plane in scorer.planes for cell in _PlaneCells(scorer, model, plane, records).cells()]
    missing = sum(cell.picture is None for cell in cells)
    if missing == len(cells):
        msg = (
            f"{model}: there are no pictures of its anchors: a model holds features, and no thumbnails lie in a folder "
            "'anchors' beside it. Give the frames that it was trained on: --frames LIST.csv."
        )
        raise StriqError(msg)
    without = f", {missing} of them without a picture" if missing else ""
    num_negatives = sum(cell.kind == NEGATIVE for cell in cells)
    say(f"{in_words(len(cells) - num_negatives, num_negatives)}{without}: {draw_sheet(sheet, cells)}")


class _PlaneCells:
    """Makes the cells of one plane.

    Args:
        scorer: The model.
        model: Its file.
        plane: Name of the plane.
        records: Frames of any planes; a negative anchor may be listed under its own plane or the one it is taken for.
    """

    def __init__(self, scorer: StriqScorer, model: Path, plane: str, records: Sequence[FrameRecord]) -> None:
        self.scorer, self.model, self.plane = scorer, model, plane
        self.index, self.size = scorer.plane_index(plane), scorer.config.encoder.size
        self.records = records
        self.of_plane = [record for record in records if record.plane == plane]

    def cells(self) -> list[SheetCell]:
        """Return the cells of the anchors, then those of the negative anchors."""
        of_negatives = self._frames_of(self.scorer.negatives, self.records)
        negatives = {self.records[number] for found in of_negatives for number in found}
        return self._anchors(negatives) + self._negatives(of_negatives)

    def _anchors(self, negatives: Collection[FrameRecord]) -> list[SheetCell]:
        """Return the cells of the anchors.

        Args:
            negatives: Frames of negative anchors, which do not show the plane.
        """
        sources = self.scorer.bank.sources[self.index]
        ranks = agreement_ranks(self.scorer, self.plane)
        frames_of = self._frames_of(self.scorer.bank, self.of_plane)
        of_anchors = {number for found in frames_of for number in found}
        others = [r for number, r in enumerate(self.of_plane) if number not in of_anchors and r not in negatives]
        frames = (read_frame(record) for record in others)
        nearest = count_nearest(self.scorer, self.plane, frames) if others else []
        cells: list[SheetCell] = []
        for number, source in enumerate(sources):
            lines = [*_origin(source), f"agreement: rank {ranks[number]} of {len(sources)}"]
            lines += [f"nearest to {nearest[number]} of {len(others)} frames"] if others else []
            found = [self.of_plane[i] for i in frames_of[number]]
            cells.append(SheetCell(self.plane, number, self._picture(ANCHOR, number, source, found), lines))
        return cells

    def _negatives(self, frames_of: Sequence[Sequence[int]]) -> list[SheetCell]:
        """Return the cells of the negative anchors.

        Args:
            frames_of: Numbers of the frames that each comes from.
        """
        cells: list[SheetCell] = []
        for number, source in enumerate(self.scorer.negatives.sources[self.index]):
            picture = self._picture(NEGATIVE, number, source, [self.records[i] for i in frames_of[number]])
            cells.append(SheetCell(self.plane, number, picture, _origin(source), NEGATIVE))
        return cells

    def _frames_of(self, bank: AnchorBank, records: Sequence[FrameRecord]) -> list[list[int]]:
        """Return the numbers of the frames that each anchor of the plane in a bank comes from."""
        if not bank.sources[self.index]:
            return []
        images = iterate_images(records, self.size, quiet=True)
        return find_frames_of_anchors(bank, self.index, images, self.scorer.embed)

    def _picture(
        self, kind: str, number: int, source: AnchorSource, records: Sequence[FrameRecord]
    ) -> NDArray[np.uint8] | None:
        """Return the thumbnail of an anchor, or else the picture of a frame that it comes from, if there is any."""
        picture = find_thumbnail(self.model, self.plane, number, kind)
        if picture is None and records:
            image = next(iterate_images(records[:1], self.size, quiet=True))[0]
            picture = np.asarray(as_picture(image.flip(-1) if source.mirrored else image))
        return picture


def _origin(source: AnchorSource) -> list[str]:
    """Return what is printed of where an anchor comes from."""
    side = ", mirrored" if source.mirrored else ""
    return [source.path.rsplit("/", 1)[-1], f"frame {source.frame_index}{side}, group {source.group}"]
