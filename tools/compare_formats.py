"""Scores one drawn frame in every lossless format that STRIQ reads, and prints the table of Q.

``python -m tools.compare_formats --model monai_bundle/models/model.pt``, from the root of the project. The exit status
is 1 if a Q differs by more than ``LARGEST_MOVE`` from that of the frame as 8-bit PNG.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striq.data.phantom import make_phantom_cine
from striq.data.readers import open_cine
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from tests.frame_files import WRITERS

LARGEST_MOVE = 1e-3  # of Q
REFERENCE = "PNG, uint8"


def drawn_frame(plane: str = "a4c", size: tuple[int, int] = (240, 320)) -> NDArray[np.uint8]:
    """Return a frame of the phantom with black margins, shape ``(H, W)``."""
    pixels = make_phantom_cine(plane, 3, 5, size=size)[1].pixels
    return np.pad(np.round(pixels * 255).astype(np.uint8), ((9, 3), (4, 18)))


def qualities(scorer: StriqScorer, frame: NDArray[np.uint8], folder: Path) -> dict[str, tuple[float, float]]:
    """Return Q, and the largest difference of a gray value, of a frame in every format.

    Args:
        scorer: Fitted scorer.
        frame: Gray values, shape ``(H, W)``, uint8.
        folder: Empty folder for the files.
    """
    found: dict[str, tuple[float, float]] = {}
    for number, (name, write) in enumerate(WRITERS.items()):
        (folder / str(number)).mkdir()
        read = open_cine(write(folder / str(number), frame))[0]
        (score,) = scorer.score([read])
        found[name] = score.quality, float(np.abs(read.pixels - frame / 255).max())
    return found


def table(found: dict[str, tuple[float, float]]) -> str:
    """Return the qualities as Markdown, a row for each format."""
    formats: dict[str, list[str]] = {}
    for name in found:
        formats.setdefault(name.partition(", ")[0], []).append(name)
    lines = ["| Format | Written as | Q | Largest move of Q | Largest move of a gray value |", "|---|---|---|---|---|"]
    for known, names in formats.items():
        ways = "; ".join(name.partition(", ")[2] or "uint8" for name in names)
        low, high = (limit(found[name][0] for name in names) for limit in (min, max))
        shown = f"{low:.4f}" if f"{low:.4f}" == f"{high:.4f}" else f"{low:.4f} to {high:.4f}"
        move = max(abs(found[name][0] - found[REFERENCE][0]) for name in names)
        lines.append(f"| {known} | {ways} | {shown} | {move:.5f} | {max(found[name][1] for name in names):.4f} |")
    return "\n".join(lines)


def main() -> None:
    """Score, print and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # ranges of gray values that files do not declare
    with tempfile.TemporaryDirectory() as folder:
        found = qualities(load_scorer(given.model, "cpu"), drawn_frame(), Path(folder))
    moves = [abs(quality - found[REFERENCE][0]) for quality, _ in found.values()]
    print(f"{table(found)}\n\n{len(found)} ways of storing the frame; the largest move of Q is {max(moves):.5f}.")  # noqa: T201
    sys.exit(max(moves) > LARGEST_MOVE)


if __name__ == "__main__":
    main()
