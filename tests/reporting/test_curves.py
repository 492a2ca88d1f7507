"""Tests of the curves of a training: written, read back, drawn, and ``striq curves``."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from PIL import Image

from striq.cli import main
from striq.errors import DatasetError
from striq.reporting.curves import draw_curves, means_of_epochs
from striq.training.curves import TRAINING, VALIDATION, WriteCurves, read_curves

LOSSES = [3.0, 1.0, 2.0, 0.5]  # of two epochs of two steps
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A training of two epochs that only counts, with its curves in ``tensorboard``."""
    losses = iter(LOSSES)
    trainer = Engine(lambda engine, batch: {"loss": torch.tensor(next(losses))})
    evaluator = Engine(lambda engine, batch: {"pred": batch})
    WriteCurves(tmp_path / "tensorboard" / TRAINING).attach(trainer)
    WriteCurves(tmp_path / "tensorboard" / VALIDATION).attach(evaluator)
    trainer.state.metrics["endpoint_error_px"] = 8.0
    trainer.run([0, 1], max_epochs=2)
    evaluator.state.metrics["negative_loss"] = -1.5
    evaluator.run([0], max_epochs=1)
    return tmp_path


def test_curves_are_read_as_they_were_written(run: Path) -> None:
    curves = read_curves(run / "tensorboard")
    assert curves[TRAINING]["Loss"] == list(enumerate(LOSSES, start=1))
    assert curves[TRAINING]["endpoint_error_px"] == [(1, 8.0), (2, 8.0)]
    assert curves[VALIDATION] == {"negative_loss": [(1, -1.5)]}


def test_mean_of_an_epoch_is_that_of_its_steps() -> None:
    assert means_of_epochs(list(enumerate(LOSSES, start=1)), 2) == [(1, 2.0), (2, 1.25)]
    assert means_of_epochs([], 2) == []


def test_picture_shows_each_curve(run: Path, tmp_path: Path) -> None:
    path = draw_curves(tmp_path / "curves.png", read_curves(run / "tensorboard"))
    with Image.open(path) as picture:
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 20) or []}
    assert {(0x0B, 0x5F, 0xA5), (0xB4, 0x53, 0x09)} < colors


def test_command_line_draws_the_curves_of_a_run(run: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["curves", str(run), "--out", str(run / "curves.svg")])
    assert ended.value.code in (0, None)
    assert "Curves:" in capsys.readouterr().out
    assert (run / "curves.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_folder_without_curves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no curves of a training"):
        read_curves(tmp_path)
