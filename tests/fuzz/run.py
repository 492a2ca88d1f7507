"""Runs the readers over damaged files: ``python tests/fuzz/run.py --count 20000``.

A file may be read, refused, or have some frames refused. It may not end the process, raise anything but ``ReadError``,
take more than ten seconds, or more than two gigabytes. Files that do are kept in ``--folder``.
"""

from __future__ import annotations

import argparse
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from seeds import write_seeds  # beside this file

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("worker.py")
LONGEST_S = 10.0
START_S = 120.0  # for importing the readers on a busy machine


@dataclass
class Findings:
    """What came of the files.

    Attributes:
        counts: Number of files by outcome.
        faults: Names of files that ended the process, hung or raised another exception, with the reason.
        peak_mb: Largest memory of a process; 0 where the system does not tell.
        notes: Number of files by exception that no reader expects; they are reported as ``ReadError`` all the same.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    peak_mb: float = 0.0
    notes: Counter[str] = field(default_factory=Counter)


def fuzz(folder: Path, count: int, seed: int = 0) -> Findings:
    """Read damaged files 0 to ``count`` and return what came of them; faulty ones stay in the folder."""
    seed_folder, work = folder / "seeds", folder / "files"
    write_seeds(seed_folder)
    work.mkdir(exist_ok=True)
    findings, first = Findings(), 0
    while first < count:
        first = _run_worker(findings, [str(seed_folder), str(work), str(first), str(count), str(seed)], first)
    return findings


def _run_worker(findings: Findings, arguments: list[str], first: int) -> int:
    """Run a process until it ends or hangs, and return the number of the first file that it has not done."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, str(WORKER), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    forwarding = threading.Thread(target=_forward, args=(process, lines), daemon=True)
    forwarding.start()
    done, name, wait = first, "", START_S
    while True:
        try:
            line = lines.get(timeout=wait)
        except queue.Empty:
            process.kill()
            findings.faults.append(f"{name or 'start'}: took more than {wait:g} s")
            done += 1
            break
        if line is None:
            break
        kind, _, rest = line.strip().partition(" ")
        if kind == "start":
            name, wait = rest, LONGEST_S
        else:
            done, wait = done + 1, START_S
            outcome = rest.split()[0]
            findings.counts[outcome] += 1
            if outcome in ("raised", "unexpected"):
                findings.notes[rest[:80]] += 1
            if outcome == "raised":
                findings.faults.append(f"{name}: {rest}")
            name = ""
    findings.peak_mb = max(findings.peak_mb, _wait(process))
    forwarding.join()
    if process.stdout is not None:
        process.stdout.close()
    if line is None and name:
        findings.faults.append(f"{name}: ended the process with status {process.returncode}")
        done += 1
    elif line is None and process.returncode:
        findings.faults.append(f"the worker failed with status {process.returncode}")
        return sys.maxsize
    return done


def _forward(process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _wait(process: subprocess.Popen[str]) -> float:
    """Wait for the end of a process and return its largest memory in megabytes."""
    if not hasattr(os, "wait4"):
        process.wait()
        return 0.0
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Run and print the findings; exit status 1 if there are faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="striq_fuzz_"))
    folder.mkdir(parents=True, exist_ok=True)
    findings = fuzz(folder, given.count, given.seed)
    print(dict(findings.counts), f"peak {findings.peak_mb:.0f} MB", folder)  # noqa: T201
    for note, number in findings.notes.most_common():
        print(number, note)  # noqa: T201
    for fault in findings.faults:
        print(fault)  # noqa: T201
    sys.exit(bool(findings.faults))


if __name__ == "__main__":
    main()
