"""Tests of ``striq audit`` in one process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pyarrow.parquet
import pytest

from striq import cli
from striq.audit.layout import SHARD_PATTERN, SUMMARY_NAME
from striq.audit.worker import AuditWorker
from tests.audit.conftest import write_still


def run(*arguments: str | int | Path) -> int:
    """Run the command in this process and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["audit", *map(str, arguments)])
    return int(ended.value.code or 0)


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    """A folder of three frames."""
    for seed in range(3):
        write_still(tmp_path / "stills" / f"{seed}.png", seed)
    return tmp_path / "stills"


def test_a_readable_archive_exits_with_zero(
    stills: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(stills, "--out", out, "--model", tiny_model, "--shard-size", 2) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("3 frames of 3 files scored, 0 with failures\n")
    assert printed.err == ""
    assert (out / SUMMARY_NAME).is_file()
    assert pyarrow.parquet.read_table(out).num_rows == 3


def test_a_file_that_cannot_be_read_exits_with_one(archive: Path, tmp_path: Path, tiny_model: Path) -> None:
    assert run(archive, "--out", tmp_path / "out", "--model", tiny_model, "--max-frames-per-cine", 1) == 1
    assert pyarrow.parquet.read_table(tmp_path / "out").num_rows == 8


def test_an_interrupted_audit_goes_on(
    stills: Path,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given, out = (stills, "--out", tmp_path / "out", "--model", tiny_model, "--shard-size", 1), tmp_path / "out"
    original = AuditWorker.run

    def interrupted(worker: AuditWorker, number: int, *more: object) -> None:
        if number == 1:
            raise KeyboardInterrupt
        original(worker, number, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(AuditWorker, "run", interrupted)
    assert run(*given) == 130
    assert "interrupted: finished shards are in" in capsys.readouterr().err
    assert [path.name for path in out.glob(SHARD_PATTERN)] == ["part-000000.parquet"]
    monkeypatch.setattr(AuditWorker, "run", original)
    assert run(*given) == 0
    assert len(list(out.glob(SHARD_PATTERN))) == 3


def test_a_finished_audit_is_only_summed_up_again(
    stills: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (stills, "--out", tmp_path / "out", "--model", tiny_model)
    run(*given)
    (tmp_path / "out" / SUMMARY_NAME).unlink()

    def refuse(*_: object) -> NoReturn:
        pytest.fail("scored again")

    monkeypatch.setattr("striq.audit.worker.score_batch", refuse)
    assert run(*given) == 0
    assert (tmp_path / "out" / SUMMARY_NAME).is_file()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--engine", "spark"], "'spark' is not one of local, torchrun, ray"),
        (["--workers", "2"], "The engine 'local' is one process. For 2 of them add --engine torchrun"),
        (["--plane", "elbow"], "does not know the plane 'elbow'"),
        (["--model", "nowhere.pt"], "nowhere.pt: no model there"),
        (["--threshold", "2"], "Invalid value"),
        (["--shard-size", "0"], "Invalid value"),
        (["--max-frames-per-cine", "0"], "Invalid value"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_written(
    stills: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str], more: list[str], reason: str
) -> None:
    assert run(stills, "--out", tmp_path / "out", "--model", tiny_model, *more) == 2
    assert reason in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("archive_name", ["nowhere", "nowhere.csv", "manifest.csv"])
def test_nothing_to_audit_is_refused(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str], archive_name: str
) -> None:
    (tmp_path / "manifest.csv").write_text("path\n")
    assert run(tmp_path / archive_name, "--out", tmp_path / "out", "--model", tiny_model) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_refused(
    stills: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert run(stills, "--out", tmp_path / "file" / "out", "--model", tiny_model) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert run(stills, "--out", tmp_path / "file", "--model", tiny_model) == 2


def test_a_missing_pyarrow_is_named(stills: Path, tmp_path: Path) -> None:
    arguments = ["audit", str(stills), "--out", str(tmp_path / "out")]
    program = f"import sys; sys.modules['pyarrow'] = None; from striq.cli import main; main({arguments})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert "pip install 'striq[audit]'" in ended.stderr


def test_a_missing_ray_is_named(
    stills: Path,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run(stills, "--out", tmp_path / "out", "--model", tiny_model, "--engine", "ray") == 2
    assert "pip install 'striq[audit,ray]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_same_command_on_a_grown_archive_scores_what_is_new(
    stills: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (stills, "--out", tmp_path / "out", "--model", tiny_model)
    run(*given)
    write_still(stills / "new.png", 9)
    (stills / "0.png").unlink()
    capsys.readouterr()
    assert run(*given) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("3 frames of 3 files scored, 0 with failures; 1 more are gone\n")
    assert printed.err == "Files since the last run: 1 new, 1 gone.\n"
    assert "1</dd><dt>files gone since" in (tmp_path / "out" / SUMMARY_NAME).read_text(encoding="utf-8")


def test_json_is_all_that_is_printed(
    archive: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (archive, "--out", tmp_path / "out", "--model", tiny_model, "--max-frames-per-cine", 1, "--json")
    assert run(*given) == 1
    printed = capsys.readouterr()
    facts = json.loads(printed.out)
    assert printed.err == ""
    assert (facts["files"], facts["files_with_failures"], facts["frames_scored"], facts["threshold"]) == (8, 1, 7, 0.5)
    assert sum(plane["frames"] for plane in facts["planes"].values()) == 7
    accepted = sum(bool(row["accepted"]) for row in pyarrow.parquet.read_table(tmp_path / "out").to_pylist())
    assert facts["frames_accepted"] == sum(plane["accepted"] for plane in facts["planes"].values()) == accepted


def test_quiet_prints_nothing_and_scores_all(
    stills: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (stills, "--out", tmp_path / "out", "--model", tiny_model)
    assert run(*given, "--quiet") == 0
    write_still(stills / "new.png", 9)
    assert run(*given, "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert pyarrow.parquet.read_table(tmp_path / "out").num_rows == 4


def test_precision_belongs_to_an_audit(
    stills: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (stills, "--out", tmp_path / "out", "--model", tiny_model, "--device", "cpu")
    assert run(*given, "--precision", "float16") == 2  # CUDA only
    assert not (tmp_path / "out").exists()
    run(*given, "--precision", "float32")
    capsys.readouterr()
    assert run(*given, "--precision", "mixed") == 2
    assert "precision was float32, is now mixed" in capsys.readouterr().err


def test_files_of_before_a_date_are_left_out(
    archive: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (archive, "--out", tmp_path / "out", "--model", tiny_model)
    assert run(*given, "--since", "yesterday") == 2
    assert run(*given, "--since", "2024-02-15") == 1
    dates = {row["date"] for row in pyarrow.parquet.read_table(tmp_path / "out").to_pylist() if row["date"]}
    assert {date.isoformat() for date in dates} == {"2024-02-15", "2024-03-15"}
    assert "2 files of before 2024-02-15 are left out." in capsys.readouterr().err


def test_an_audit_of_the_version_before_is_refused(
    stills: Path, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "out" / "_plan" / "plan.json"
    plan.parent.mkdir(parents=True)
    plan.write_text("{}")
    assert run(stills, "--out", tmp_path / "out", "--model", tiny_model) == 2
    assert "earlier version of STRIQ" in capsys.readouterr().err
