"""Tests of how ``striq score`` writes its table and how it ends."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from striq.reporting.score_table import GrowingTable
from striq.scoring.scorer import StriqScorer
from striq.types import Frame, FrameScore
from tests.test_cli import only_line, read, run, write_broken, write_cine, write_still


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A still, a broken file, a cine with a black frame, and another still."""
    place = tmp_path / "frames"
    write_still(place / "a.png")
    write_broken(place / "b.png")
    write_cine(place / "c.tif", black=(1,))
    write_still(place / "d.png", seed=3)
    return place


def stop_at(monkeypatch: pytest.MonkeyPatch, name: str, index: int, error: BaseException) -> None:
    """Make the scoring of one frame raise an error that ends the run."""
    iterate = StriqScorer.iterate

    def stopped(self: StriqScorer, frames: Iterable[Frame], *given: Any, **named: Any) -> Iterator[FrameScore]:
        for score in iterate(self, frames, *given, **named):
            if score.source.endswith(name) and score.index == index:
                raise error
            yield score

    monkeypatch.setattr(StriqScorer, "iterate", stopped)


def test_resumed_run_writes_the_table_of_one_run(
    folder: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "scores.csv"
    assert run("score", folder, "--out", whole, "--model", tiny_model) == 1
    with monkeypatch.context() as patch:
        stop_at(patch, "c.tif", 2, KeyboardInterrupt())
        assert run("score", folder, "--out", out, "--model", tiny_model) == 130
    assert "scores.csv.partial" in capsys.readouterr().err
    assert run("score", folder, "--out", out, "--model", tiny_model, "--resume") == 1
    assert "7 frames of 4 files scored, 2 failures" in capsys.readouterr().out
    assert out.read_bytes() == whole.read_bytes()


def test_rows_go_to_standard_output_and_messages_do_not(
    folder: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("score", folder, "--out", tmp_path / "scores.csv", "--model", tiny_model)
    capsys.readouterr()
    assert run("score", folder, "--out", "-", "--model", tiny_model) == 1
    printed = capsys.readouterr()
    assert printed.out == (tmp_path / "scores.csv").read_text(encoding="utf-8")
    assert "standard output" in printed.err


@pytest.mark.skipif(os.name == "nt", reason="named pipes and devices are POSIX")
def test_devices_and_pipes_are_no_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    for out in ("/dev/null", tmp_path / "pipe", tmp_path / "link"):
        assert run("score", tmp_path / "a.png", "--out", out) == 2
        assert "is a device or a pipe" in only_line(capsys.readouterr().err)


def test_second_run_on_one_table_is_refused(
    folder: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = GrowingTable(tmp_path / "scores.csv", {})
    assert run("score", folder, "--out", tmp_path / "scores.csv", "--model", tiny_model) == 2
    assert "another run is writing this table" in only_line(capsys.readouterr().err)
    table.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_names_cannot_steer_a_terminal_or_a_spreadsheet(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("=cmd()\x1b[31m.png", "-x\r.png"):
        write_broken(Path(name))
    run("score", ".", "--out", "-", "--model", tiny_model)
    printed = capsys.readouterr()
    assert not any(sign in printed.out + printed.err for sign in "\x1b\r")
    sources = [row["source"] for row in csv.DictReader(io.StringIO(printed.out))]
    assert sources == ["'-x\\r.png", "'=cmd()\\x1b[31m.png"]


def test_any_exception_of_a_report_leaves_the_other_files(
    folder: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*given: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("striq.reporting.pictures.draw_scores", fail)
    options = ("--out", tmp_path / "scores.csv", "--model", tiny_model, "--plots", tmp_path / "plots")
    assert run("score", folder, *options) == 1
    assert "a report about it cannot be written (ZeroDivisionError)" in capsys.readouterr().err
    assert len(read(tmp_path / "scores.csv")) == 9


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130), ("SIGKILL", -9)])
def test_signal_leaves_the_rows_so_far(name: str, status: int, tmp_path: Path, tiny_model: Path) -> None:
    for number in range(20):
        write_cine(tmp_path / "frames" / f"{number:02}.tif", num_frames=40)
    out = tmp_path / "scores.csv"
    command = [sys.executable, "-m", "striq.cli", "score", str(tmp_path / "frames"), "--out", str(out)]
    process = subprocess.Popen([*command, "--model", str(tiny_model)], stderr=subprocess.PIPE, text=True)
    partial = tmp_path / "scores.csv.partial"
    while not (partial.exists() and partial.read_bytes().count(b"\n") > 60):
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in errors
    assert not out.exists()
    assert len(read(partial)) >= 60
