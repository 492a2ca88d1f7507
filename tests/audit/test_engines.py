"""Every engine gives the rows of the local one, whatever ends it and whenever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import torch.distributed

from striq.audit.crash_journal import MAX_CRASHES
from striq.audit.engines.processes import threads_each
from striq.audit.engines.ray_data import sent_model
from striq.audit.engines.torchrun import local_device, take_shards
from striq.audit.layout import SHARD_PATTERN, SUMMARY_NAME
from tests.audit.conftest import write_archive, write_still

ENGINES = {
    "local": [],
    "torchrun": ["--engine", "torchrun", "--workers", "2"],
    "ray": ["--engine", "ray", "--workers", "2"],
}
LONGEST_S = 480  # on a machine with other work
# Ends every process that opens a picture of this name, as a fault in a decoder would.
POISON = """
import os
import PIL.Image
_open = PIL.Image.open
def open(path, *given, **named):
    if "poison" in str(path):
        os._exit(9)
    return _open(path, *given, **named)
PIL.Image.open = open
"""


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> list[str]:
    """What the command line needs for each engine."""
    if request.param == "ray":
        pytest.importorskip("ray", reason="needs the extra 'ray'")
    return ENGINES[request.param]


def command(archive: Path, out: Path, model: Path, *more: str) -> list[str]:
    arguments = ["audit", archive, "--out", out, "--model", model, "--device", "cpu", "--shard-size", "1", *more]
    return [sys.executable, "-m", "striq.cli", *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [more.pop("first", ""), str(Path.cwd()), os.environ.get("PYTHONPATH")]))
    quick = {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}  # Ray gives way to other work, and the test would wait
    return {**os.environ, **quick, "PYTHONPATH": path, **more}


def finish(arguments: Sequence[str], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, env=environment(**more), capture_output=True, text=True, timeout=LONGEST_S, check=False
    )


def rows_of(out: Path) -> list[dict[str, Any]]:
    rows = pyarrow.parquet.read_table(out).to_pylist()
    return sorted(rows, key=lambda row: (row["source"], -1 if row["frame"] is None else row["frame"]))


def same(found: Sequence[dict[str, Any]], expected: Sequence[dict[str, Any]]) -> bool:
    """Return whether two audits say the same, row by row; figures up to the rounding of another thread count."""
    rounded = [
        [{name: pytest.approx(cell, abs=1e-5) if isinstance(cell, float) else cell for name, cell in row.items()}]
        for row in expected
    ]
    return [[row] for row in found] == rounded


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # ended meanwhile
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = children.get(pid, [])
    return [*found, *(later for child in found for later in descendants(child))]


def kill_all(process: subprocess.Popen) -> None:
    """End a process and all it has started, with no chance to clean up."""
    victims = [process.pid, *descendants(process.pid)]
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def wait_for_shards(process: subprocess.Popen, out: Path, number: int) -> None:
    deadline = time.monotonic() + LONGEST_S
    while len(list(out.glob(SHARD_PATTERN))) < number:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive that takes long enough to be killed in its middle."""
    return write_archive(tmp_path_factory.mktemp("large"), 12, num_frames=8)


@pytest.fixture(scope="module")
def expected(large: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What one process finds that nothing interrupts."""
    out = tmp_path_factory.mktemp("local")
    ended = finish(command(large, out, tiny_model))
    assert ended.returncode == 1, ended.stderr  # one file is broken
    return rows_of(out)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the processes to kill in /proc")
def test_a_killed_audit_resumes_with_nothing_lost_and_nothing_doubled(
    engine: list[str], large: Path, expected: list[dict[str, Any]], tiny_model: Path, tmp_path: Path
) -> None:
    arguments = command(large, tmp_path / "out", tiny_model, *engine)
    process = subprocess.Popen(arguments, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_shards(process, tmp_path / "out", 2)
    kill_all(process)
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob(SHARD_PATTERN)}
    assert 2 <= len(done) < 14
    assert not (tmp_path / "out" / SUMMARY_NAME).exists()
    ended = finish(arguments)
    assert ended.returncode == 1, ended.stderr
    found = rows_of(tmp_path / "out")
    assert Counter((row["source"], row["frame"]) for row in found).most_common(1)[0][1] == 1
    assert len(found) == 12 * 2 * 8 + 2
    assert same(found, expected)
    assert {path: path.stat().st_mtime_ns for path in done} == done  # what was done was not done again
    assert (tmp_path / "out" / SUMMARY_NAME).is_file()


@pytest.mark.slow
def test_a_file_that_ends_its_process_becomes_a_row(engine: list[str], tiny_model: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", 1)
    write_still(archive / "poison.png")
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "sitecustomize.py").write_text(POISON)
    arguments = command(archive, tmp_path / "out", tiny_model, *engine)
    for _ in range(1 if engine else MAX_CRASHES):  # the local engine has nobody who could start it again
        ended = finish(arguments, first=str(tmp_path / "first"))
        assert engine or ended.returncode == 9
    if not engine:
        ended = finish(arguments, first=str(tmp_path / "first"))
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    rows = rows_of(tmp_path / "out")
    assert len(rows) == 2 * 3 + 1 + 1 + 1
    given_up = [
        row["source"] for row in rows if row["error"] and f"ended its process {MAX_CRASHES} times" in row["error"]
    ]
    assert given_up == [str(archive / "poison.png")]


@pytest.mark.slow
def test_failed_workers_are_one_line(engine: list[str], tiny_model: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", 1)
    blocked = tmp_path / "out" / "part-000000.parquet"
    blocked.mkdir(parents=True)  # where the file of the first shard should go
    (blocked / "in_the_way").touch()
    ended = finish(command(archive, tmp_path / "out", tiny_model, *engine))
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert ended.stderr.strip().splitlines()[-1].startswith("error: ")


@pytest.mark.slow
def test_processes_that_torchrun_started_share_the_work(tiny_model: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", 3)
    python, *rest = command(archive, tmp_path / "out", tiny_model, "--engine", "torchrun")
    ended = finish([python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *rest])
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("frames of 8 files scored") == 1
    rows = rows_of(tmp_path / "out")
    assert len(rows) == len({(row["source"], row["frame"]) for row in rows}) == 20


def test_each_shard_is_taken_by_one_process_only() -> None:
    store = torch.distributed.HashStore()
    takers = [take_shards(store, 10, "taken") for _ in range(3)]
    taken = [next(taker) for _ in range(3) for taker in takers]
    assert sorted([*taken, *takers[0]]) == list(range(10))
    assert [list(taker) for taker in takers] == [[], [], []]
    assert list(take_shards(store, 10, "taken after 1 restarts")) == list(range(10))


def test_workers_elsewhere_get_a_shipped_model_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sent_model(None) == ""
    assert sent_model(Path("light")) == "light"
    assert sent_model(Path("mine")) == str(tmp_path / "mine")
    Path("light").mkdir()
    assert sent_model(Path("light")) == str(tmp_path / "light")


def test_threads_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striq.audit.engines.processes.num_processors", lambda: 8)
    assert [threads_each(workers) for workers in (1, 2, 3, 8, 16)] == [8, 4, 2, 1, 1]


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert local_device("cpu") == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [local_device(name) for name in ("auto", "cuda", "cuda:0", "cpu")] == ["cuda:1", "cuda:1", "cuda:0", "cpu"]
