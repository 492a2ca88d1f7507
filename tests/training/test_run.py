"""Tests of the steps of a training: their order, resuming, and handlers whose order makes no difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events

from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.data.transforms import RandomView
from striq.errors import CheckpointError
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.training import steps as steps_module
from striq.training.cache import ViewSettings
from striq.training.handlers import after_epoch
from striq.training.run import run_training, train_scorer
from striq.training.run_options import RunOptions
from striq.training.setup import make_calibration
from striq.training.trainer import make_steps
from striq.types import FrameRecord
from tests.training.interruption import differing_tensors

CONFIG = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=4))
TWO_EPOCHS = TrainingConfig(max_epochs=2, views=1)
SETTINGS: dict[str, Any] = {"config": CONFIG, "training": TWO_EPOCHS}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:monai")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    folder = tmp_path_factory.mktemp("phantom")
    return load_dataset(write_phantom(folder, 4, 2, planes=("kidney", "a4c"), size=(96, 96)))


@pytest.fixture(scope="module")
def finished(records: list[FrameRecord], tmp_path_factory: pytest.TempPathFactory) -> tuple[RunOptions, StriqScorer]:
    options = options_for(tmp_path_factory.mktemp("run"))
    return options, train_scorer(records, options, **SETTINGS)


def options_for(folder: Path, *, resume: bool = False) -> RunOptions:
    return RunOptions(folder, device="cpu", resume=resume, quiet=True)


def test_run_interrupted_while_it_finishes_has_no_epoch_left_and_ends_with_the_same_scorer(
    records: list[FrameRecord],
    finished: tuple[RunOptions, StriqScorer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(steps_module.TrainingSteps, "finish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_scorer(records, options_for(tmp_path), **SETTINGS)
    assert not (tmp_path / "model.pt").exists()
    options = options_for(tmp_path, resume=True)
    steps = make_steps(make_calibration(records, options, **SETTINGS), TWO_EPOCHS, options)
    steps.trainer.add_event_handler(Events.STARTED, interrupt)
    steps.prepare()
    steps.optimize()
    assert differing_tensors(steps.finish(), finished[1]) == set()
    assert load_scorer(tmp_path, "cpu").info["epochs"] == 2


def test_more_epochs_continue_a_finished_run(
    records: list[FrameRecord], finished: tuple[RunOptions, StriqScorer], tmp_path: Path
) -> None:
    three = replace(TWO_EPOCHS, max_epochs=3)
    unbroken = train_scorer(records, options_for(tmp_path / "a"), config=CONFIG, training=three)
    train_scorer(records, options_for(tmp_path / "b"), **SETTINGS)
    continued = train_scorer(records, options_for(tmp_path / "b", resume=True), config=CONFIG, training=three)
    assert continued.info["epochs"] == 3
    assert differing_tensors(continued, unbroken) == set()


@pytest.mark.parametrize("change", [{"max_epochs": 1}, {"batch_size": 3}])
def test_checkpoint_of_another_training_is_not_continued(
    records: list[FrameRecord], finished: tuple[RunOptions, StriqScorer], change: dict[str, int]
) -> None:
    options, training = replace(finished[0], resume=True), replace(TWO_EPOCHS, **change)
    with pytest.raises(CheckpointError, match=r"2 epochs of \d+ steps cannot be continued"):
        train_scorer(records, options, config=CONFIG, training=training)


def test_order_of_handlers_makes_no_difference(
    records: list[FrameRecord],
    finished: tuple[RunOptions, StriqScorer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from striq.training import trainer as trainer_module

    plain = {name: getattr(trainer_module, name) for name in ("SupervisedTrainer", "SupervisedEvaluator")}
    for name, handlers in (("SupervisedTrainer", "train_handlers"), ("SupervisedEvaluator", "val_handlers")):

        def reverse(*, name: str = name, handlers: str = handlers, **settings: Any) -> Engine:
            return plain[name](**{**settings, handlers: settings[handlers][::-1]})

        monkeypatch.setattr(trainer_module, name, reverse)
    options = options_for(tmp_path)
    scorer = run_training(make_calibration(records, options, **SETTINGS), TWO_EPOCHS, options)
    assert differing_tensors(scorer, finished[1]) == set()
    saved = [torch.load(o.checkpoint_file, weights_only=True) for o in (options, finished[0])]
    assert saved[0]["best"]["best"] == saved[1]["best"]["best"] > float("-inf")


def test_handler_of_the_end_of_an_epoch_is_called_last_and_once_per_epoch() -> None:
    engine, called = Engine(lambda engine, batch: None), []
    last = lambda engine: called.append("last")  # noqa: E731
    after_epoch(engine, last)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: called.append("other"))
    engine.run([0], max_epochs=1)
    engine.run([0], max_epochs=1)
    assert called == ["other", "last"] * 2


def test_augmentation_that_hides_its_transform_is_refused() -> None:
    class Hiding(RandomView):
        def __call__(self, data: Any) -> dict[str, Any]:
            return {"image": data["image"]}

    with pytest.raises(ValueError, match="left no 'transform' in its output, got: image"):
        ViewSettings(augmentation=Hiding()).view(torch.ones(1, 8, 8), 1)


def test_epochs_are_described_in_plain_words(
    records: list[FrameRecord], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="striq"):
        train_scorer(records, options_for(tmp_path), **SETTINGS)
    epochs = [line for line in caplog.messages if line.startswith("Epoch ")]
    assert [line.split(":")[0] for line in epochs] == ["Epoch 1 of 2", "Epoch 2 of 2"]
    assert all("known movements of frames are found to within" in line for line in epochs)
    assert [" left." in line for line in epochs] == [True, False]


def test_files_of_an_unfinished_run_are_in_its_work_folder_and_results_are_not() -> None:
    options = RunOptions("models", work_dir="eval")
    assert {options.model_file.parent, options.curves_folder.parent} == {Path("models")}
    assert {options.checkpoint_file.parent, options.features_folder.parent} == {Path("eval")}
    assert RunOptions("models").checkpoint_file == Path("models/checkpoint.pt")
