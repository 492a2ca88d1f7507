from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from striq.serve.disk import DiskBounds
from striq.serve.settings import Disk, WatchedFolder
from striq.serve.watched_folder import FolderWatcher
from tests.serve.conftest import Bench, write_object


def watcher(bench: Bench, folder: Path, **settings: bool) -> FolderWatcher:
    return FolderWatcher(WatchedFolder(str(folder), settle_s=60, **settings), bench.database, bench.arrivals)


def settle(*files: Path) -> None:
    """Let files look as if they had not changed for a while."""
    for file in files:
        os.utime(file, (time.time() - 100, time.time() - 100))


def test_settled_files_are_taken_once(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    settle(write_object(folder / "a.dcm", 1, 1), write_object(folder / "deep" / "b.dcm", 1, 2))
    write_object(folder / "unfinished.dcm", 1, 3)
    settle(write_object(folder / ".hidden.dcm", 1, 4))
    watch = watcher(bench, folder)
    for _ in range(2):
        watch.step()
    assert bench.queue.counts()["waiting"] == 2
    assert bench.metric("striq_objects_duplicate_total", origin="folder") == 0
    settle(folder / "unfinished.dcm")
    watch.step()
    assert bench.queue.counts()["waiting"] == 3
    assert (folder / "a.dcm").is_file()


def test_files_are_removed_where_asked_for_but_not_refused_ones(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_object(folder / "a.dcm")
    (folder / "Secret^Patient.txt").write_text("no DICOM", encoding="utf-8")
    settle(*folder.iterdir())
    watch = watcher(bench, folder, remove=True)
    for _ in range(2):
        watch.step()
    assert [path.name for path in folder.iterdir()] == ["Secret^Patient.txt"]
    assert bench.metric("striq_objects_refused_total", origin="folder", reason="malformed") == 1
    assert "Secret" not in bench.lines.getvalue()


def test_a_file_that_finds_no_room_is_taken_later(bench: Bench, tmp_path: Path) -> None:
    settle(write_object(tmp_path / "in" / "a.dcm"))
    watch = watcher(bench, tmp_path / "in", remove=True)
    bench.arrivals.intake.disk = DiskBounds(bench.layout, bench.database, Disk(max_gb=1e-9))
    watch.step()
    assert bench.queue.counts()["waiting"] == 0
    assert (tmp_path / "in" / "a.dcm").is_file()
    bench.arrivals.intake.disk = bench.disk
    watch.step()
    assert bench.queue.counts()["waiting"] == 1


def test_a_folder_that_is_gone_is_an_error(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        watcher(bench, tmp_path / "none").step()
