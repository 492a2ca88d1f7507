"""Tests of ``striq study benchmark``: what it hands to the benchmark, and what it writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from striq import cli
from striq.commands import quality_benchmark as command
from striq.data.phantom import write_phantom
from striq.evaluation.agreement.training_setup import TrainingSetup
from striq.evaluation.studies import quality_benchmark
from striq.types import FrameRecord
from tests.conftest import TINY_PLANES, TINY_SIZE
from tests.evaluation.studies.benchmark_factory import made_up_scores


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command asks the benchmark for; the answer is made up."""
    asked: dict[str, Any] = {}

    def answer(
        records: Sequence[FrameRecord],
        unseen: Sequence[FrameRecord],
        out: Path,
        setup: TrainingSetup,
        *,
        num_folds: int,
        nuisance_frames: int | None,
    ) -> Any:
        asked.update(records=records, unseen=unseen, out=out, setup=setup, num_folds=num_folds, few=nuisance_frames)
        return made_up_scores(num_folds)

    monkeypatch.setattr(quality_benchmark, "run_benchmark", answer)
    # The handler would outlive the test, and write to a stream that is captured and closed.
    monkeypatch.setattr(command, "show_log", lambda **options: None)
    return asked


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["study", "benchmark", *map(str, arguments)])
    return int(ended.value.code or 0)


def test_frames_settings_and_note_are_used_and_the_report_is_written(
    asked: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_phantom(tmp_path / "data", 3, 1, planes=TINY_PLANES, size=TINY_SIZE)
    arguments = (
        "--folds",
        "3",
        "--epochs",
        "2",
        "--seed",
        "4",
        "--device",
        "cpu",
        "--note",
        "Mind this.",
        "--nuisance-frames",
        "7",
    )
    assert run(table, "--out", tmp_path / "out", *arguments) == 0
    assert {record.plane for record in asked["records"]} == set(TINY_PLANES)
    assert asked["few"] == 7
    assert (asked["num_folds"], list(asked["unseen"]), asked["out"]) == (3, [], tmp_path / "out")
    assert (asked["setup"].training.max_epochs, asked["setup"].training.seed) == (2, 4)
    shown = capsys.readouterr().out
    assert "## Quality on several planes" in shown
    assert "**Note:** Mind this." in shown
    assert json.loads((tmp_path / "out" / "benchmark.json").read_text())["note"] == "Mind this."


def test_unseen_frames_come_from_lists_and_folders(asked: dict[str, Any], tmp_path: Path) -> None:
    table = write_phantom(tmp_path / "data", 3, 1, planes=TINY_PLANES, size=TINY_SIZE)
    for name in ("kinds/A4C/1.png", "kinds/SAX/2.png", "knees/3.png", "listed.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listed = tmp_path / "unseen.csv"
    listed.write_text("path,plane\nlisted.png,A2C\nkinds/SAX/2.png,SAX\n")
    given = [part for path in (listed, tmp_path / "kinds", tmp_path / "knees") for part in ("--unseen", path)]
    assert run(table, "--out", tmp_path / "out", "--device", "cpu", *given) == 0
    found = sorted((record.path.name, record.plane) for record in asked["unseen"])
    assert found == [("1.png", "A4C"), ("2.png", "SAX"), ("3.png", "knees"), ("listed.png", "A2C")]


def test_the_two_benchmarks_say_which_is_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert "'striq study bench' measures speed" in " ".join(capsys.readouterr().out.replace("│", " ").split())
    with pytest.raises(SystemExit):
        cli.main(["study", "bench", "--help"])
    assert "'striq study benchmark' measures quality" in " ".join(capsys.readouterr().out.replace("│", " ").split())
