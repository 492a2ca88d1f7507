"""Compare the scores of two versions on a fixed set of frames.

``python tools/score_snapshot.py write before.json [FOLDER]...`` scores the phantom's held-out set and every readable
file in the folders. ``python tools/score_snapshot.py compare before.json after.json`` fails if any Q differs.
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
from striq.atomic_files import write_json
from striq.data.cine import Cine
from striq.data.phantom import write_phantom
from striq.data.readers import find_sources, open_cine
from striq.errors import StriqError

SUBJECTS, FRAMES, SEED = 12, 4, 1  # of the phantom's held-out set
TOLERANCE = 1e-6
MAX_FRAMES = 12  # per file, evenly spaced


def cines(folders: Sequence[Path], work: Path) -> Iterator[tuple[str, Cine]]:
    """Yield the name and the cine of every readable file of the phantom and in the folders.

    Args:
        folders: Folders to search.
        work: Folder to which the phantom is written.
    """
    write_phantom(work / "phantom", SUBJECTS, FRAMES, seed=SEED)
    for root in (work / "phantom", *folders):
        for path in find_sources([root]):
            try:
                yield f"{root.name}/{path.relative_to(root).as_posix()}", open_cine(path)
            except StriqError:
                continue


def snapshot(folders: Sequence[Path]) -> dict[str, list[object]]:
    """Return quality, verdict and plane of each frame; the keys are file name and frame index."""
    torch.set_num_threads(1)  # sums depend on the number of threads, which changes Q by up to 5e-6
    scorer, scores = striq.load_scorer(device="cpu"), {}
    with tempfile.TemporaryDirectory() as work:
        for name, cine in cines(folders, Path(work)):
            for index in range(0, len(cine), -(-len(cine) // MAX_FRAMES)):
                try:
                    score = scorer.score([cine[index]])[0]
                except StriqError:
                    continue
                scores[f"{name}#{index}"] = [score.quality, score.accepted, score.plane]
    return scores


def compare(before: dict[str, list[object]], after: dict[str, list[object]]) -> int:
    """Print the differences; return 0 if no Q differs by more than the tolerance and no verdict or plane differs."""
    if before.keys() != after.keys():
        print(f"Different frames: {sorted(before.keys() ^ after.keys())[:5]}")  # noqa: T201
        return 1
    changes = {name: abs(float(str(before[name][0])) - float(str(after[name][0]))) for name in before}
    different = [name for name in before if before[name][1:] != after[name][1:]]
    worst = max(changes, key=changes.__getitem__)
    print(f"{len(changes)} frames; largest change of Q: {changes[worst]:.2g} ({worst})")  # noqa: T201
    print(f"{len(different)} frames with a different verdict or plane {different[:5]}")  # noqa: T201
    return int(changes[worst] > TOLERANCE or bool(different))


def main() -> int:
    """Write a snapshot or compare two; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    write_command = commands.add_parser("write")
    write_command.add_argument("out", type=Path)
    write_command.add_argument("folders", type=Path, nargs="*")
    compare_command = commands.add_parser("compare")
    compare_command.add_argument("before", type=Path)
    compare_command.add_argument("after", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "compare":
        return compare(json.loads(arguments.before.read_text()), json.loads(arguments.after.read_text()))
    write_json(arguments.out, snapshot(arguments.folders))
    return 0


if __name__ == "__main__":
    sys.exit(main())
