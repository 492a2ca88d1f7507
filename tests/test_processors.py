"""Tests of ``striq.processors``: usable processors, and those that other programs use."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from striq import processors
from striq.processors import LoadMeter, free_processors, num_processors, quota


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def stat_of(path: Path, *busy_ticks: int) -> Path:
    """Write ``/proc/stat`` with so many ticks of work, spread over its kinds, of each processor."""
    lines = [f"cpu{n} {ticks - 3} 1 1 {10**6} 500 1 0 0 0 0" for n, ticks in enumerate(busy_ticks)]
    return write(path, "\n".join(["cpu  9 9 9 9 9 9 9 9 9 9", *lines, "intr 1 2 3", "ctxt 4"]))


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/", {"cpu.max": "max 100000\n"}, float("inf")),
        ("0::/a/b", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000"}, 0.5),
        ("0::/a/b", {"a/cpu.max": "max 100000", "a/b/cpu.max": "300000 100000", "cpu.max": "200000 100000"}, 2.0),
        ("5:cpu,cpuacct:/x\n4:memory:/x\n0::/", {"cpu,cpuacct/x/cpu.cfs_quota_us": "400000\n"}, 4.0),
        ("5:cpu:/unseen", {"cpu/cpu.cfs_quota_us": "100000\n"}, 1.0),
        ("5:cpu:/x", {"cpu/x/cpu.cfs_quota_us": "-1\n"}, float("inf")),
        ("0::/", {"cpu.max": "nonsense"}, float("inf")),
        ("nonsense", {}, float("inf")),
    ],
)
def test_the_smallest_limit_of_a_cgroup_and_those_around_it_counts(
    tmp_path: Path, own: str, files: dict[str, str], expected: float
) -> None:
    for name, text in files.items():
        path = write(tmp_path / "cgroup" / name, text)
        if name.endswith("quota_us"):
            write(path.with_name("cpu.cfs_period_us"), "100000\n")
    assert quota(tmp_path / "cgroup", write(tmp_path / "own", own)) == expected


def test_a_system_without_cgroups_has_no_limit(tmp_path: Path) -> None:
    assert quota(tmp_path, tmp_path / "own") == float("inf")


@pytest.mark.parametrize(("granted", "expected"), [(0.5, 1), (2.9, 2), (float("inf"), 4)])
def test_processors_are_those_of_affinity_and_quota(
    monkeypatch: pytest.MonkeyPatch, granted: float, expected: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(processors, "quota", lambda: granted)
    assert num_processors() == expected


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A clock, and the time this process has worked, which tests set."""
    now = {"clock": 0.0, "own": 0.0}
    monkeypatch.setattr(time, "monotonic", lambda: now["clock"])
    monkeypatch.setattr(time, "process_time", lambda: now["own"])
    monkeypatch.setattr(os, "sysconf", lambda _: 100, raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 2}, raising=False)
    return now


def test_work_of_others_on_usable_processors_counts_and_own_work_does_not(
    tmp_path: Path, clock: dict[str, float]
) -> None:
    meter = LoadMeter(stat_of(tmp_path / "stat", 1000, 1000, 1000))
    clock |= {"clock": 2.0, "own": 0.5}
    stat_of(tmp_path / "stat", 1200, 1200, 1100)  # processor 1 is not usable; 3 seconds of work on the others
    assert meter.busy_elsewhere() == pytest.approx((3.0 - 0.5) / 2.0)
    clock["clock"] = 2.5
    stat_of(tmp_path / "stat", 2000, 2000, 2000)
    assert meter.busy_elsewhere() == pytest.approx(1.25)  # the answer of half a second ago
    clock |= {"clock": 4.0, "own": 2.5}
    stat_of(tmp_path / "stat", 1200, 1200, 1250)
    assert meter.busy_elsewhere() == 0.0  # all of it was own work


def test_a_first_answer_without_delay_waits_for_a_measurement(
    tmp_path: Path, clock: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = LoadMeter(stat_of(tmp_path / "stat", 0, 0, 0))

    def sleep(seconds: float) -> None:
        clock["clock"] += seconds
        stat_of(tmp_path / "stat", 10, 0, 10)

    monkeypatch.setattr(time, "sleep", sleep)
    assert meter.busy_elsewhere() == pytest.approx(2.0)


@pytest.mark.parametrize("text", ["", "cpu0 a b c d e f g h\n", "cpu7 1 2 3 4 5 6 7 8\n", None])
def test_without_a_usable_count_the_load_average_answers(
    tmp_path: Path, clock: dict[str, float], text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        write(tmp_path / "stat", text)
    monkeypatch.setattr("os.getloadavg", lambda: (1.5, 9.0, 9.0), raising=False)
    assert LoadMeter(tmp_path / "stat").busy_elsewhere() == 1.5
    monkeypatch.delattr("os.getloadavg")
    assert LoadMeter(tmp_path / "stat").busy_elsewhere() == 0.0


@pytest.mark.parametrize(("busy", "expected"), [(0.0, 4), (0.4, 4), (1.2, 3), (3.6, 1), (9.0, 1)])
def test_what_others_leave_is_free(monkeypatch: pytest.MonkeyPatch, busy: float, expected: int) -> None:
    monkeypatch.setattr(processors, "num_processors", lambda: 4)
    monkeypatch.setattr(processors.meter, "busy_elsewhere", lambda: busy)
    assert free_processors() == expected
