"""Frames that one core scores per second: processor time of ``striq audit`` on copies of the drawn sample cine.

python tools/frames_per_core.py [--copies 8] [--precision float32 mixed] [--model light] [--plane A4C]

Processor time of a run on one cine is subtracted from that of a run on many, so that the start is left out. The machine
may be busy with other programs: the figure is frames per second of processor time, with one thread. Two models are
compared with ``--plane``, a plane that both know: they may recognize different planes in the sample.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from striq.data.phantom.sample import NAME, write_sample
from striq.data.readers import open_cine


def processor_time(archive: Path, out: Path, precision: str, given: Sequence[str]) -> float:
    """Return the processor time of an audit in seconds; ``given`` are further options of ``striq audit``."""
    command = [sys.executable, "-m", "striq.cli", "audit", str(archive), "--out", str(out), "--quiet", *given]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "--threads", "1", "--precision", precision], check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def copies(sample: Path, folder: Path, count: int) -> Path:
    """Return a folder with copies of a cine."""
    folder.mkdir()
    for number in range(count):
        shutil.copy(sample, folder / f"{number:03d}_{sample.name}")
    return folder


def main() -> None:
    """Print frames per second of one core for each precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--precision", nargs="+", default=["float32", "mixed"])
    parser.add_argument("--model", help="as for striq audit; the shipped model by default")
    parser.add_argument("--plane", default="auto", help="plane that all frames are scored as")
    given = parser.parse_args()
    options = ["--plane", given.plane, *(["--model", given.model] if given.model else [])]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        sample = write_sample(folder / NAME)
        cine = open_cine(sample)
        height, width = cine[0].pixels.shape
        few, many = copies(sample, folder / "few", 1), copies(sample, folder / "many", 1 + given.copies)
        frames = len(cine) * given.copies
        for precision in given.precision:
            start = processor_time(few, folder / f"few_{precision}", precision, options)
            seconds = processor_time(many, folder / f"many_{precision}", precision, options) - start
            sys.stdout.write(
                f"{precision}: {frames / seconds:.1f} frames per second and core, {frames} frames of {width}x{height}, "
                f"start {start:.1f} s\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
