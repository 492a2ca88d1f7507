"""What other programs rely on: JSON, silence, streams, completion and exit statuses."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest

from striq import cli
from striq.reporting.rows import score_columns
from tests.test_cli import read, run, write_broken, write_cine, write_still

PROGRAM = [sys.executable, "-m", "striq.cli"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A still, a broken file and a cine with a black frame."""
    write_still(tmp_path / "frames" / "a.png")
    write_broken(tmp_path / "frames" / "b.png")
    write_cine(tmp_path / "frames" / "c.tif", black=(1,))
    return tmp_path / "frames"


def test_score_prints_typed_rows_and_nothing_else(
    folder: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "scores.csv"
    assert run("score", folder, "--json", "--model", tiny_model, "--out", table) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = read(table)
    assert len(rows) == len(expected) == 8
    for row, cells in zip(rows, expected, strict=True):
        assert list(row) == list(score_columns())
        for name, kind in score_columns().items():
            assert row[name] is None if cells[name] == "" else isinstance(row[name], kind)
            assert str(row[name] if row[name] is not None else "").lower() == cells[name].lower() or (
                float(cells[name]) == row[name]
            )


def test_json_needs_no_table(folder: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("score", folder / "a.png", "--json", "--model", tiny_model, "--quiet") == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert printed.err == ""


def test_rows_are_wanted_somewhere(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("score", folder) == 2
    assert "Name a table to write" in capsys.readouterr().err
    assert run("score", folder, "--json", "--out", "-") == 2
    assert "and so does --out -" in capsys.readouterr().err


def test_names_are_printed_in_ascii(tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_still(tmp_path / "F\u00f6tus\u202e.png")
    run("score", tmp_path, "--json", "--model", tiny_model)
    line = capsys.readouterr().out
    assert line.isascii()
    assert json.loads(line)["source"].endswith("F\u00f6tus\u202e.png")


def test_a_quiet_score_prints_errors_alone(
    folder: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("score", folder, "--out", tmp_path / "s.csv", "--model", tiny_model, "--quiet") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert [line.split(":")[0] for line in printed.err.splitlines()] == ["error", "error"]
    run("info", "--model", tiny_model)
    assert capsys.readouterr().out != ""  # silence ends with its command


def test_a_quiet_training_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run("phantom", tmp_path / "phantom", "--subjects", 4, "--frames", 1, "--planes", "kidney", "--quiet")
    given = (tmp_path / "phantom" / "phantom.csv", "--epochs", 1, "--num-anchors", 3, "--quiet")
    assert run("train", *given, "--out", tmp_path / "run") == 0
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "run" / "model.pt").is_file()


def test_evaluate_prints_the_report_as_json(
    tmp_path: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run("phantom", tmp_path / "phantom", "--subjects", 4, "--frames", 1, "--planes", "a4c", "--quiet")
    table = tmp_path / "phantom" / "phantom.csv"
    assert run("evaluate", table, "--model", tiny_model, "--out", out, "--json") == 0
    printed = json.loads(capfd.readouterr().out)
    assert printed == json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert {row["plane"] for row in printed["rows"]} >= {"a4c"}


def test_info_prints_json(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", "--model", tiny_model, "--json") == 0
    assert set(json.loads(capsys.readouterr().out)["planes"]) == {"a4c", "abdomen"}


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("form", [["--out", "-"], ["--json"]])
def test_rows_are_there_as_soon_as_they_are_scored(form: list[str], folder: Path, tiny_model: Path) -> None:
    os.mkfifo(folder / "d.png")  # which nobody writes to: the run waits here
    command = [*PROGRAM, "score", str(folder / "a.png"), str(folder / "d.png"), "--model", str(tiny_model), *form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2 if form[0] == "--out" else 1)]
        assert "a.png" in lines[-1]
        process.kill()


@pytest.mark.skipif(os.name == "nt", reason="pipes are POSIX")
def test_a_reader_that_has_enough_ends_the_run_without_a_traceback(folder: Path, tiny_model: Path) -> None:
    command = [*PROGRAM, "score", str(folder / "c.tif"), "--json", "--model", str(tiny_model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("completion", shell) == 0
    assert f"complete_{shell}" in capsys.readouterr().out


def test_an_unknown_shell_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("completion", "tcsh") == 2
    assert "'tcsh' is not one of bash, zsh, fish" in " ".join(capsys.readouterr().err.split())


def test_ctrl_c_has_the_status_that_shells_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*given: object, **named: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("striq.commands.given_frames.read_records", interrupt)
    assert run("train", tmp_path, "--out", tmp_path / "run") == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_a_signal_ends_a_training_with_its_status(tmp_path: Path) -> None:
    process = subprocess.Popen([*PROGRAM, "train", "--out", str(tmp_path / "run")], stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "run").exists():
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--version"], 0),
        (["score", "--help"], 0),
        (["scor"], 2),
        (["score", "--threads", "0", "a.png"], 2),
        (["score", "nowhere.png", "--out", "nowhere/s.csv", "--model", "nowhere.pt"], 2),
        (["info", "--model", "nowhere.pt"], 2),
        (["train", "nowhere", "--out", "nowhere"], 2),
    ],
)
def test_wrong_use_has_status_two(
    arguments: list[str], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == status


def test_the_table_of_statuses_is_that_of_the_program() -> None:
    page = (Path(cli.__file__).parents[1] / "docs" / "how-to" / "command-line.md").read_text(encoding="utf-8")
    stated = {line.split("|")[1].strip(" `") for line in page.splitlines() if line.startswith("| `")}
    assert {"0", "1", str(cli.WRONG_USE), str(cli.INTERRUPTED), "143"} <= stated


def test_the_csv_stream_is_unchanged_by_quiet(
    folder: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("score", folder / "a.png", "--out", "-", "--model", tiny_model, "-q") == 0
    printed = capsys.readouterr()
    assert len(list(csv.DictReader(printed.out.splitlines()))) == 1
    assert printed.err == ""
