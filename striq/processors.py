"""Processors that this process may use, and how many of them other programs leave free."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

STAT, CGROUPS = Path("/proc/stat"), Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
IDLE = (3, 4)  # places of the idle times in a line of /proc/stat: idle, and idle while a disk is awaited
COUNTED = 8  # times in a line; those of guests are part of the user's
V1_FILES = ("cpu.cfs_quota_us", "cpu.cfs_period_us")  # limit and period of a cgroup of version 1
SHORTEST_S = 0.1  # shorter measurements are too coarse: the clock of /proc/stat ticks a hundred times a second
FRESH_S = 1.0  # a measurement is not repeated earlier


def num_processors() -> int:
    """Return the number of processors that this process may use, by its affinity and the quota of its cgroup."""
    return max(1, int(min(len(_affinity()), quota())))


def _affinity() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def quota(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> float:
    """Return the number of processors' time that the cgroups of this process grant it; infinite without a limit.

    Args:
        cgroups: Where the file system of cgroups is mounted.
        own: File that names the cgroups of this process.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return float("inf")
    limits: list[float] = []
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = cgroups / controllers  # version 2 has no folders for controllers
        folder = root / path.lstrip("/")
        limits += [_limit(place) for place in (folder, *folder.parents) if place.is_relative_to(root)]
    return min(limits, default=float("inf"))


def _limit(folder: Path) -> float:
    """Return the limit of one cgroup, of version 2 or 1."""
    try:
        if (folder / "cpu.max").is_file():
            granted, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        else:
            granted, period = ((folder / name).read_text(encoding="utf-8").strip() for name in V1_FILES)
        return float("inf") if granted == "max" or int(granted) <= 0 else int(granted) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return float("inf")


@dataclass(frozen=True)
class _Times:
    """Times in seconds: of the clock, of the processors at work, and of this process at work."""

    clock: float
    busy: float
    own: float


class LoadMeter:
    """Measures how many processors other programs use.

    Args:
        stat: File in which Linux counts the time of its processors.
    """

    def __init__(self, stat: Path = STAT) -> None:
        self._stat = stat
        self.restart()

    def restart(self) -> None:
        """Begin a new measurement."""
        self._before, self._found = self._now(), -1.0

    def busy_elsewhere(self) -> float:
        """Return how many of the processors that this process may use other programs used lately, on average.

        The first answer is about the time since this object was made, a later one about the time since the one before.
        An answer is good for a second. Systems without ``/proc/stat`` answer by the
        load average; on Windows, which has neither, the answer is 0.
        """
        if self._before is None:
            return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        passed = time.monotonic() - self._before.clock
        if self._found >= 0 and passed < FRESH_S:
            return self._found
        if passed < SHORTEST_S:
            time.sleep(SHORTEST_S)
        now = self._now()
        if now is None:
            return max(0.0, self._found)
        passed = now.clock - self._before.clock
        busy, own = now.busy - self._before.busy, now.own - self._before.own
        self._before, self._found = now, max(0.0, (busy - own) / passed)
        return self._found

    def _now(self) -> _Times | None:
        wanted = {f"cpu{number}" for number in _affinity()}
        try:
            lines = [line.split() for line in self._stat.read_text(encoding="ascii").splitlines()]
            counts = [list(map(int, cells[1 : 1 + COUNTED])) for cells in lines if cells and cells[0] in wanted]
            ticks = sum(sum(times) - sum(times[place] for place in IDLE) for times in counts)
        except (OSError, ValueError, IndexError):
            return None
        if not counts:
            return None
        return _Times(time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), time.process_time())


meter = LoadMeter()


def start_measuring() -> None:
    """Begin the first measurement now, so that its answer, needed when PyTorch is loaded, takes no waiting."""
    meter.restart()


def free_processors() -> int:
    """Return how many processors this process may use without taking them from other programs; at least 1."""
    usable = num_processors()
    return max(1, min(usable, round(usable - meter.busy_elsewhere())))
