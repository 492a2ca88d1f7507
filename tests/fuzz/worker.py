"""Process that reads damaged files one after the other and prints a line before and after each.

``python worker.py SEED_FOLDER WORK_FOLDER FIRST END SEED``
"""

from __future__ import annotations

import random
import sys
import warnings
from pathlib import Path

from damage import damage  # beside this file

from striq.data.readers import open_cine
from striq.errors import ReadError

CATCH_ALL = "The file cannot be read"


def make_case(seeds: list[Path], folder: Path, number: int, seed: int) -> Path:
    """Write damaged file ``number`` and return its path."""
    chance = random.Random(f"{seed} {number}")
    good = chance.choice(seeds)
    others = [chance.choice(seeds).read_bytes() for _ in range(3)]
    path = folder / f"{number}_{good.name}"
    path.write_bytes(damage(good.read_bytes(), others, chance))
    return path


def read(path: Path) -> str:
    """Read some frames of a file and return what came of it."""
    try:
        cine = open_cine(path)
    except ReadError as error:
        return f"unexpected {error.got}" if error.what == CATCH_ALL else "refused"
    failed = 0
    for index in sorted({0, len(cine) // 2, len(cine) - 1}):
        try:
            _ = cine[index].pixels
        except ReadError as error:
            if error.what == CATCH_ALL:
                return f"unexpected {error.got}"
            failed += 1
    return "rows" if failed else "read"


def main() -> None:
    """Read the files of a range."""
    seed_folder, folder = map(Path, sys.argv[1:3])
    first, end, seed = map(int, sys.argv[3:])
    warnings.simplefilter("error")
    seeds = sorted(path for path in seed_folder.iterdir() if path.suffix != ".raw")
    (folder / "apart.raw").write_bytes((seed_folder / "apart.raw").read_bytes())
    for number in range(first, end):
        path = make_case(seeds, folder, number, seed)
        print(f"start {number} {path.name}", flush=True)  # noqa: T201
        try:
            result = read(path)
        except BaseException as error:
            result = f"raised {type(error).__name__}: {error}"
        print(f"end {' '.join(result.split())[:200]}", flush=True)  # noqa: T201
        if result in ("read", "refused", "rows"):
            path.unlink()


if __name__ == "__main__":
    main()
