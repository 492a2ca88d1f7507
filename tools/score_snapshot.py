"""Scores of a fixed set of frames, written to a file and compared with those of another version.

``python tools/score_snapshot.py write before.json [FOLDER]...`` scores the phantom's held-out set and every readable
file in the folders; ``python tools/score_snapshot.py compare before.json after.json`` fails where Q moved.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

import striq
from striq.data.cine import Cine
from striq.data.phantom import write_phantom
from striq.data.readers import find_sources, open_cine
from striq.errors import StriqError

SUBJECTS, FRAMES, SEED = 12, 4, 1  # of the phantom's held-out set
TOLERANCE = 1e-6
MOST_FRAMES = 12  # of one file, evenly spaced


def cines(folders: Sequence[Path], work: Path) -> Iterator[tuple[str, Cine]]:
    """Yield a name and a cine for every readable file of the phantom and of the folders."""
    write_phantom(work / "phantom", SUBJECTS, FRAMES, seed=SEED)
    for root in (work / "phantom", *folders):
        for path in find_sources([root]):
            try:
                yield f"{root.name}/{path.relative_to(root).as_posix()}", open_cine(path)
            except StriqError:
                continue


def snapshot(folders: Sequence[Path]) -> dict[str, list[object]]:
    """Return quality, verdict and plane of each frame under the name of its file and its index."""
    torch.set_num_threads(1)  # another number of threads adds in another order and moves Q by up to 5e-6
    scorer, found = striq.load_scorer(device="cpu"), {}
    with tempfile.TemporaryDirectory() as work:
        for name, cine in cines(folders, Path(work)):
            for index in range(0, len(cine), -(-len(cine) // MOST_FRAMES)):
                try:
                    score = scorer.score([cine[index]])[0]
                except StriqError:
                    continue
                found[f"{name}#{index}"] = [score.quality, score.accepted, score.plane]
    return found


def compare(before: dict[str, list[object]], after: dict[str, list[object]]) -> int:
    """Print by how much scores differ and return 0 if no Q moved by more than the tolerance."""
    if before.keys() != after.keys():
        print(f"Other frames: {sorted(before.keys() ^ after.keys())[:5]}")  # noqa: T201
        return 1
    moved = {name: abs(float(str(before[name][0])) - float(str(after[name][0]))) for name in before}
    others = [name for name in before if before[name][1:] != after[name][1:]]
    worst = max(moved, key=moved.__getitem__)
    print(f"{len(moved)} frames; largest change of Q {moved[worst]:.2g} ({worst})")  # noqa: T201
    print(f"{len(others)} with another verdict or plane {others[:5]}")  # noqa: T201
    return int(moved[worst] > TOLERANCE or bool(others))


def main() -> int:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write")
    write.add_argument("out", type=Path)
    write.add_argument("folders", type=Path, nargs="*")
    against = commands.add_parser("compare")
    against.add_argument("before", type=Path)
    against.add_argument("after", type=Path)
    given = parser.parse_args()
    if given.command == "compare":
        return compare(json.loads(given.before.read_text()), json.loads(given.after.read_text()))
    given.out.write_text(json.dumps(snapshot(given.folders)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
