"""Tests of ``striq reproduce``: what it hands to the reproduction, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from striq.cli import main
from striq.data.phantom import write_phantom
from striq.evaluation.reproduction import writing
from striq.evaluation.reproduction.parts import PARTS, Part
from striq.evaluation.reproduction.run import ReproductionRun


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ReproductionRun, Sequence[Part]]]:
    """Runs and parts that the command hands on; nothing is computed."""
    found: list[tuple[ReproductionRun, Sequence[Part]]] = []

    def record(given: ReproductionRun, parts: Sequence[Part]) -> writing.Outcome:
        found.append((given, parts))
        return writing.Outcome(["table1"], {"fig6": "One plane only."} if len(parts) == 2 else {})

    monkeypatch.setattr(writing, "reproduce", record)
    return found


def test_quick_takes_a_small_phantom_with_its_boxes(
    handed: list[tuple[ReproductionRun, Sequence[Part]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("reproduce", "--quick", "--planes", "a4c", "--out", tmp_path) == 0
    ((given, parts),) = handed
    assert list(parts) == list(PARTS.values())
    assert (given.num_folds, given.num_seeds) == (2, 1)
    assert (given.setup.training.max_epochs, given.setup.training.views) == (1, 1)
    assert given.data == (
        "Synthetic phantom with known quality. 24 frames of 6 groups; planes: a4c. Quick: one epoch, few frames."
    )
    assert given.note == "Synthetic phantom, not patients."
    assert given.extras.names == ["boxes"]
    assert given.records_of_seed(0) is given.records_of_seed(0)
    assert len({record.path for record in (*given.records_of_seed(0), *given.records_of_seed(1))}) == 48
    assert (tmp_path / "reproduction.html").is_file()
    assert "Kept from before: table1." in capsys.readouterr().out


def test_frames_of_the_user_are_the_same_for_every_seed(
    handed: list[tuple[ReproductionRun, Sequence[Part]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_phantom(tmp_path / "mine", 2, 1, planes=["a4c"], size=(96, 96))
    out = tmp_path / "out"
    assert run("reproduce", "fig3", "table2", "--data", table, "--folds", 3, "--note", "Mind this.", "--out", out) == 1
    assert "error: fig6: One plane only." in capsys.readouterr().err
    ((given, parts),) = handed
    assert [part.name for part in parts] == ["table2", "fig3"]
    assert given.records_of_seed(0) is given.records_of_seed(2)
    assert (given.num_folds, given.num_seeds, given.note, given.extras.names) == (3, 3, "Mind this.", [])
    assert str(tmp_path) not in given.data


def test_unknown_parts_are_refused_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("reproduce", "table9", "--out", tmp_path) == 2
    assert "No part 'table9'; choose among: all, table1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
