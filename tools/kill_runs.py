"""Kills runs of ``striq score`` and ``striq audit`` at random moments, resumes them, and compares the rows.

``python tools/kill_runs.py --model model.pt --kills 20``: after each kill the same command goes on (``--resume`` with
``score``). At the end of each round the rows must be those of a run that was never stopped. Rounds go on until each
command has been stopped 20 times, not counting runs that ended before their signal. Exit status 1: rows differ.
"""

from __future__ import annotations

import argparse
import csv
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from striq.data.phantom import make_phantom_cine

NUM_CINES, NUM_FRAMES = 12, 15
KILLS_PER_ROUND = 4
MAX_ROUNDS = 20
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def write_archive(folder: Path) -> None:
    """Write cines as TIFF files, one of them damaged."""
    folder.mkdir(parents=True)
    for number in range(NUM_CINES):
        cine = make_phantom_cine("a4c", NUM_FRAMES, seed=number, size=(128, 128))
        pages = [Image.fromarray(np.round(frame.pixels * 255).astype(np.uint8)) for frame in cine]
        pages[0].save(folder / f"{number:02}.tif", save_all=True, append_images=pages[1:])
    (folder / "10.tif").write_bytes((folder / "10.tif").read_bytes()[:500])


def run(command: list[str], stop_after_s: float | None, number: signal.Signals) -> int | None:
    """Run a command, stop it by a signal after a while, and return its exit status; ``None`` if it was stopped."""
    process = subprocess.Popen(
        [sys.executable, "-m", "striq.cli", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        process.communicate(timeout=stop_after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        started = time.perf_counter()
        process.communicate()
        print(f"  {number.name} after {stop_after_s:.1f} s: ended in {time.perf_counter() - started:.2f} s")  # noqa: T201
        return None
    return process.returncode


def kill_and_resume(command: list[str], resume: list[str], chance: random.Random, whole_s: float) -> int:
    """Start a command, stop it a few times, let it end, and return how many of the stops came in time."""
    given, stops = command, 0
    for _ in range(KILLS_PER_ROUND):
        # A run that goes on needs a few seconds to start; what it does after them moves it on.
        if run(given, chance.uniform(0.2, 0.7) * whole_s, chance.choice(SIGNALS)) is None:
            stops += 1
        else:
            print("  ended before it was stopped")  # noqa: T201
        given = [*command, *resume]
    status = run(given, None, signal.SIGTERM)
    if status not in (0, 1):
        sys.exit(f"The last run ended with status {status}.")
    return stops


def rows_of(out: Path) -> Sequence[Mapping[str, object]]:
    """Return the rows of a table in order, or the sorted rows of an audit."""
    if out.is_file():
        with out.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(out).to_pylist()
    return sorted(rows, key=lambda row: (row["source"], row["frame"] or 0))


def try_command(name: str, folder: Path, model: Path, kills: int, chance: random.Random) -> bool:
    """Stop and resume a command until it has been stopped often enough; return whether the rows were always equal."""
    options = [] if name == "score" else ["--shard-size", "2"]
    command = [name, str(folder / "archive"), "--model", str(model), *options, "--out"]
    started = time.perf_counter()
    run([*command, str(folder / f"{name}_whole")], None, signal.SIGTERM)
    whole_s = time.perf_counter() - started
    expected = rows_of(folder / f"{name}_whole")
    num_scored = sum(row["quality"] not in ("", None) for row in expected)
    print(f"{name}: {len(expected)} rows, {num_scored} scored, in {whole_s:.1f} s", flush=True)  # noqa: T201
    if num_scored < (NUM_CINES - 1) * NUM_FRAMES:
        sys.exit("The drawn frames are not scored.")
    stops, all_equal = 0, True
    for number in range(MAX_ROUNDS):
        out = folder / f"{name}_{number}"
        stops += kill_and_resume([*command, str(out)], ["--resume"] if name == "score" else [], chance, whole_s)
        equal = rows_of(out) == expected
        all_equal &= equal
        said = "equal" if equal else "DIFFER"
        print(f"{name}, round {number}: rows {said}; {stops} stops so far", flush=True)  # noqa: T201
        if stops >= kills:
            break
    return all_equal


def main() -> None:
    """Kill, resume, compare, and print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--commands", nargs="+", default=["score", "audit"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    # Started in the background by a shell, this process ignores Ctrl+C, and so would the runs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chance, folder = random.Random(given.seed), Path(tempfile.mkdtemp(prefix="striq_kills_"))
    write_archive(folder / "archive")
    outcomes = [try_command(name, folder, given.model, given.kills, chance) for name in given.commands]
    shutil.rmtree(folder)
    sys.exit(0 if all(outcomes) else 1)


if __name__ == "__main__":
    main()
