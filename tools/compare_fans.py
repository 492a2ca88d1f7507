"""Compare the scores of cines whose frames share one fan with those of frames with a fan of their own.

``python -m tools.compare_fans CINE ... --model MODEL --plane PLANE``
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from striq.data.preprocessing import crop_and_prepare
from striq.data.readers import open_cine
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.types import Frame

COLUMNS = (
    "Cine",
    "Frames",
    "share the first one's fan",
    "ms, one fan",
    "ms, own fans",
    "change of Q from frame to frame, one fan",
    "own fans",
    "difference of Q, mean",
    "largest",
)


def compare(scorer: StriqScorer, path: Path, plane: str) -> str:
    """Return the row of one cine."""
    shared = list(open_cine(path))
    own = [replace(frame, fan=None) for frame in shared]
    size = scorer.config.encoder.size
    boxes = [crop_and_prepare(frame, size)[1] for frame in shared]
    together, alone = (np.array([score.quality for score in scorer.score(frames, plane)]) for frames in (shared, own))
    steps = [float(np.abs(np.diff(quality)).mean()) for quality in (together, alone)]
    difference = np.abs(together - alone)
    cells = [
        path.name,
        str(len(shared)),
        str(boxes.count(boxes[0])),
        *(f"{_fastest_ms(frames, size):.1f}" for frames in (shared, own)),
        *(f"{step:.4f}" for step in steps),
        f"{difference.mean():.6f}",
        f"{difference.max():.6f}",
    ]
    return f"| {' | '.join(cells)} |"


def _fastest_ms(frames: Sequence[Frame], size: tuple[int, int]) -> float:
    """Return the processor time of finding and cropping the fan of a frame, the median over frames, milliseconds."""
    taken = [min(_spent(frame, size) for _ in range(3)) for frame in frames]
    return 1000 * float(np.median(taken))


def _spent(frame: Frame, size: tuple[int, int]) -> float:
    start = time.process_time()
    crop_and_prepare(frame, size)
    return time.process_time() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cines", nargs="+", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--plane", default="auto")
    given = parser.parse_args()
    scorer = load_scorer(given.model, "cpu")
    sys.stdout.write(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n")
    for path in given.cines:
        sys.stdout.write(f"{compare(scorer, path, given.plane)}\n")


if __name__ == "__main__":
    main()
