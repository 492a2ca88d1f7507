"""Show how far quality moves when what a scanner shows is drawn beside or over the fan of real frames.

``python -m tools.compare_decorations FRAMES.csv [--frames 6] [--model MODEL]``, with a list as ``striq list`` writes it
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from striq.data.datasets import load_dataset
from striq.data.fan import fan_mask
from striq.data.loading import read_frame
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.types import Frame, FrameRecord
from tests.data.drawn_fans import DECORATIONS, as_pixels, decorated

MARGIN = ((60, 60), (80, 80))  # rows and columns of black around a frame, to draw on


def moves(scorer: StriqScorer, record: FrameRecord, plane: str) -> np.ndarray:
    """Return by how much each decoration moves the quality of a frame."""
    picture = np.pad(np.round(read_frame(record).pixels * 255).astype(np.float64), MARGIN)
    mask = fan_mask(as_pixels(picture))
    pictures = [picture, *(decorated(picture, mask, decoration) for decoration in DECORATIONS)]
    quality = np.array([score.quality for score in scorer.score([Frame(as_pixels(p)) for p in pictures], plane)])
    return np.abs(quality[1:] - quality[0])


def main() -> None:
    """Print a table: the largest move and the median, of each decoration and plane."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--model")
    given = parser.parse_args()
    scorer, records = load_scorer(given.model, "cpu"), load_dataset(given.table)
    columns: dict[str, np.ndarray] = {}
    for plane in sorted({record.plane for record in records}):
        shown = [record for record in records if record.plane == plane]
        chosen = np.linspace(0, len(shown) - 1, given.frames).round().astype(int)
        columns[plane] = np.stack([moves(scorer, shown[i], plane) for i in chosen])
    sys.stdout.write(f"| drawn | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}\n")
    for number, decoration in enumerate(DECORATIONS):
        cells = (f"{values[:, number].max():.3f} ({np.median(values[:, number]):.3f})" for values in columns.values())
        sys.stdout.write(f"| {decoration.__name__.replace('_', ' ')} | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
