"""Measure time and memory of the app: ``STRIQ_PYTHON=... python monailabel_app/tests/measure.py``.

Wall-clock times are valid on an idle machine only; CPU seconds also on a busy one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import psutil
from serving import ROOT, STRIQ_PYTHON, Server, striq

os.environ.setdefault("OMP_NUM_THREADS", "1")
MEGABYTE = 1e6
REPEATS = 10


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Start a server with one still and one cine of five frames, and measure its requests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        striq(ROOT / "tests" / "ultrasound_files.py", folder / "files")
        studies = folder / "studies"
        studies.mkdir()
        for file in ("good.png", "cine.dcm"):
            shutil.copy(folder / "files" / file, studies)
        server = Server(folder / "server", studies, {"striq_python": STRIQ_PYTHON, "device": "cpu"})
        try:
            report(server)
        finally:
            server.stop()


def report(server: Server) -> None:
    """Print the figures of a running server."""
    (worker,) = server.scoring_processes()
    both = {"server": psutil.Process(server.process.pid), "scoring process": worker}
    started = {name: cpu_seconds(process) for name, process in both.items()}
    print(f"start: {server.start_seconds:.1f} s; CPU {started}")
    server.notes(when_scored=2)
    for image, frames in (("good", 1), ("cine", 5)):
        server.infer(image)
        before, since = cpu_seconds(worker), time.perf_counter()
        for _ in range(REPEATS):
            assert server.infer(image).ok
        wall, cpu = time.perf_counter() - since, cpu_seconds(worker) - before
        print(f"{image}, {frames} frames: {wall / REPEATS:.2f} s a request, {cpu / REPEATS:.2f} s of CPU in the scorer")
    for name, process in both.items():
        print(f"{name}: {process.memory_info().rss / MEGABYTE:.0f} MB resident")


if __name__ == "__main__":
    main()
