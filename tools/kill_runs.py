"""Kills runs of ``striq score`` and ``striq audit`` at random moments, resumes them, and compares the rows.

``python tools/kill_runs.py --model model.pt --kills 20``: after each kill the same command goes on (``--resume`` with
``score``). At the end the rows must be those of a run that was never stopped.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from striq.data.phantom import make_phantom_cine

NUM_CINES, NUM_FRAMES = 24, 30
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def write_archive(folder: Path) -> None:
    """Write cines as TIFF files, one of them damaged."""
    folder.mkdir(parents=True)
    for number in range(NUM_CINES):
        cine = make_phantom_cine("a4c", NUM_FRAMES, seed=number, size=(64, 64))
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


def kill_and_resume(command: list[str], resume: list[str], kills: int, chance: random.Random, whole_s: float) -> None:
    """Start a command, stop it ``kills`` times, and let it end."""
    given = command
    for _ in range(kills):
        # A run that goes on needs a few seconds to start; what it does after them moves it on.
        if run(given, chance.uniform(0.4, 0.9) * whole_s, chance.choice(SIGNALS)) is not None:
            print("  ended before it was stopped")  # noqa: T201
        given = [*command, *resume]
    status = run(given, None, signal.SIGTERM)
    if status not in (0, 1):
        sys.exit(f"The last run ended with status {status}.")


def rows_of(out: Path) -> object:
    """Return the content of a table, or the sorted rows of an audit."""
    if out.is_file():
        return out.read_bytes()
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(out).to_pylist()
    return sorted(rows, key=lambda row: (row["source"], row["frame"] or 0))


def main() -> None:
    """Kill, resume, compare, and print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--commands", nargs="+", default=["score", "audit"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance, folder = random.Random(given.seed), Path(tempfile.mkdtemp(prefix="striq_kills_"))
    write_archive(folder / "archive")
    model = ["--model", str(given.model)]
    for name in given.commands:
        options = [] if name == "score" else ["--shard-size", "2"]
        command = [name, str(folder / "archive"), *model, *options, "--out"]
        started = time.perf_counter()
        run([*command, str(folder / f"{name}_whole")], None, signal.SIGTERM)
        whole_s = time.perf_counter() - started
        for number in range(given.kills // 4):
            out = folder / f"{name}_{number}"
            resume = ["--resume"] if name == "score" else []
            kill_and_resume([*command, str(out)], resume, 4, chance, whole_s)
            equal = rows_of(out) == rows_of(folder / f"{name}_whole")
            print(f"{name}, round {number}: rows {'equal' if equal else 'DIFFER'}", flush=True)  # noqa: T201
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
