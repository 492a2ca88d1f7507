"""Tests of ``--tracking mlflow``: what reaches MLflow, and one clear error without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from monai.bundle.workflows import ConfigWorkflow

from striq.data.phantom import write_phantom
from striq.monai_bundle import tracking

CONFIGS = Path(__file__).parents[2] / "monai_bundle" / "configs"
SMALL = {
    "config": {
        "_target_": "striq.config.StriqConfig",
        "encoder": {"_target_": "striq.config.EncoderConfig", "size": [64, 64]},
        "quality": {"_target_": "striq.config.QualityConfig", "num_anchors": 3},
    },
    "max_epochs": 1,
    "views": 1,
    "quiet": True,
    "device": "cpu",
}
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def train(folder: Path) -> None:
    data = write_phantom(folder / "data", 4, 2, planes=("kidney",), size=(96, 96))
    flow = ConfigWorkflow(
        config_file=str(CONFIGS / "train.json"),
        meta_file=str(CONFIGS / "metadata.json"),
        logging_file=str(CONFIGS / "logging.conf"),
        workflow_type="train",
        tracking="mlflow",
        dataset_dir=str(data),
        output_dir=str(folder / "out"),
        **SMALL,
    )
    flow.initialize()
    flow.run()
    flow.finalize()


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """A stand-in for the package, which the environment of the tests has not."""
    stand_in = MagicMock()
    stand_in.entities.LifecycleStage.ACTIVE = "active"
    client = stand_in.MlflowClient.return_value
    client.get_experiment_by_name.return_value.lifecycle_stage = "active"
    client.search_runs.return_value = []
    client.get_run.return_value.data.params = {}
    monkeypatch.setattr("monai.handlers.mlflow_handler.mlflow", stand_in)
    monkeypatch.setattr(tracking, "find_spec", lambda name: object() if name == "mlflow" else None)
    return stand_in


def test_loss_of_the_steps_and_figures_of_the_epochs_reach_mlflow(mlflow: MagicMock, tmp_path: Path) -> None:
    train(tmp_path)
    metrics: dict[str, list[Any]] = {}
    for call in mlflow.entities.Metric.call_args_list:
        arguments = [*call.args, *call.kwargs.values()]
        metrics.setdefault(arguments[0], []).append(arguments[1])
    assert {"train_loss", "endpoint_error_px", "negative_loss"} <= set(metrics)
    assert all(isinstance(value, float) for values in metrics.values() for value in values)
    addresses = [call.kwargs["tracking_uri"] for call in mlflow.MlflowClient.call_args_list]
    assert all(str(tmp_path / "out") in address for address in addresses)
    assert (tmp_path / "out" / "model.pt").is_file()


def test_tracking_without_mlflow_ends_with_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        train(tmp_path)
    assert str(ended.value).startswith("error: '--tracking mlflow' needs the package mlflow.")
    assert not (tmp_path / "out" / "model.pt").exists()


def test_only_the_first_process_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: object())
    assert not tracking.only_first_tracks()
    monkeypatch.setattr(tracking, "is_first", lambda: False)
    assert tracking.only_first_tracks()


@pytest.mark.parametrize("name", ["train", "evaluate", "inference"])
def test_every_workflow_checks_for_mlflow(name: str) -> None:
    config = json.loads((CONFIGS / f"{name}.json").read_text(encoding="utf-8"))
    assert config["is_not_rank0"] == {"_target_": "striq.monai_bundle.tracking.only_first_tracks"}
