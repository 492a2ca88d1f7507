"""Contact sheet of a model's anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from striq.anchors.provenance import ANCHOR
from striq.atomic_files import replacing

COLUMNS, CELL_INCHES, DPI = 7, (1.7, 2.15), 130
LINE_LENGTH = 28  # characters below a picture
TEXT_COLOR = "#1f2937"


@dataclass(frozen=True)
class SheetCell:
    """One anchor on the sheet.

    Attributes:
        plane: Its plane.
        number: Its number in the plane, from 0.
        picture: The frame, gray levels, shape ``(H, W)``; ``None`` if there is no picture of it.
        lines: What is printed below it.
        kind: Kind of the anchor.
    """

    plane: str
    number: int
    picture: NDArray[np.uint8] | None
    lines: Sequence[str] = ()
    kind: str = ANCHOR

    @property
    def title(self) -> str:
        """Plane and number, and what kind it is unless it is an anchor."""
        return f"{self.plane} {self.number}" + ("" if self.kind == ANCHOR else f", {self.kind}")


def draw_sheet(path: str | Path, cells: Sequence[SheetCell]) -> Path:
    """Draw a contact sheet as PNG, PDF or SVG, atomically, and return the path.

    Anchors of each plane begin a new row, and so do its negative anchors.

    Args:
        path: File to write; its suffix determines the format.
        cells: Anchors in the order of the sheet.
    """
    banks = list(dict.fromkeys((cell.plane, cell.kind) for cell in cells))
    rows = [
        of_bank[start : start + COLUMNS]
        for of_bank in ([cell for cell in cells if (cell.plane, cell.kind) == bank] for bank in banks)
        for start in range(0, len(of_bank), COLUMNS)
    ]
    figure = Figure(figsize=(CELL_INCHES[0] * COLUMNS, CELL_INCHES[1] * len(rows)), dpi=DPI)
    figure.subplots_adjust(0.01, 0.3 / (CELL_INCHES[1] * len(rows)), 0.99, 1 - 0.2 / (CELL_INCHES[1] * len(rows)))
    canvas = FigureCanvasAgg(figure)
    grid: list[list[Axes]] = figure.subplots(len(rows), COLUMNS, squeeze=False).tolist()
    for panels, of_row in zip(grid, rows, strict=True):
        for panel in panels:
            panel.set_axis_off()
        for panel, cell in zip(panels, of_row, strict=False):
            _draw_cell(panel, cell)
    target = Path(path)
    with replacing(target) as stream:
        canvas.print_figure(stream, format=target.suffix.removeprefix(".") or "png")
    return target


def _draw_cell(panel: Axes, cell: SheetCell) -> None:
    if cell.picture is None:
        panel.set_box_aspect(1)  # as a picture has, so that titles and lines do not overlap
        panel.text(0.5, 0.5, "no picture", ha="center", va="center", fontsize=7, transform=panel.transAxes)
    else:
        panel.imshow(cell.picture, cmap="gray", vmin=0, vmax=255)
    panel.set_title(cell.title, fontsize=8, pad=2, color=TEXT_COLOR, parse_math=False)
    text = "\n".join(_shortened(line) for line in cell.lines)
    place = panel.transAxes
    panel.text(0.5, -0.02, text, ha="center", va="top", fontsize=6, color=TEXT_COLOR, transform=place, parse_math=False)


def _shortened(line: str) -> str:
    return line if len(line) <= LINE_LENGTH else f"…{line[1 - LINE_LENGTH :]}"
