"""Tests of ``train.json``: defaults and scorer of ``striq train``, resuming, and transforms that users override."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle.config_parser import ConfigParser
from monai.bundle.workflows import ConfigWorkflow

from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.augmentation import ViewRanges
from striq.data.datasets import load_dataset
from striq.data.loading import load_images
from striq.data.phantom import write_phantom
from striq.errors import CheckpointError
from striq.scoring.loading import load_scorer
from striq.training.calibration import Calibration
from striq.training.negative_anchors import read_negatives, set_negatives
from striq.training.run import train_scorer
from striq.training.run_options import RunOptions
from tests.training.interruption import differing_tensors

CONFIGS = Path(__file__).parents[2] / "monai_bundle" / "configs"
TRAIN = json.loads((CONFIGS / "train.json").read_text(encoding="utf-8"))
SMALL = {
    "config": {
        "_target_": "striq.config.StriqConfig",
        "encoder": {"_target_": "striq.config.EncoderConfig", "size": [64, 64]},
        "quality": {"_target_": "striq.config.QualityConfig", "num_anchors": 3},
    },
    "max_epochs": 1,
    "quiet": True,
    "device": "cpu",
}
CONFIG = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=3))
FOLDERS = {"output_dir", "work_dir"}
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("data"), 4, 2, planes=("kidney", "a4c"), size=(96, 96))


def train(phantom: Path, output: Path, **overrides: Any) -> None:
    places = {"dataset_dir": str(phantom), "output_dir": str(output), "work_dir": str(output / "work")}
    flow = ConfigWorkflow(
        config_file=str(CONFIGS / "train.json"),
        meta_file=str(CONFIGS / "metadata.json"),
        logging_file=str(CONFIGS / "logging.conf"),
        workflow_type="train",
        **{**SMALL, **places, **overrides},
    )
    flow.initialize()
    flow.run()
    flow.finalize()


def calibration_of(phantom: Path, **overrides: Any) -> Calibration:
    parser = ConfigParser(ConfigParser.load_config_file(CONFIGS / "train.json"))
    parser.update({**SMALL, "dataset_dir": str(phantom), "output_dir": "unused", "work_dir": "unused", **overrides})
    return parser.get_parsed_content("calibration")


@pytest.fixture(scope="module")
def trained(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(phantom, folder, max_epochs=2)
    return folder


@pytest.mark.parametrize("settings", [TrainingConfig(), RunOptions("")], ids=["training", "options"])
def test_every_default_of_the_command_line_is_that_of_the_bundle(settings: Any) -> None:
    part = TRAIN["settings" if isinstance(settings, TrainingConfig) else "options"]
    for name in {field.name for field in fields(settings)}:
        assert part[name] == f"@{name}"
        if name not in FOLDERS | {"device"}:
            default = getattr(settings, name)
            assert TRAIN[name] == (list(default) if isinstance(default, tuple) else default), name
    assert TRAIN["device"]["device"] == RunOptions("").device


def test_ranges_of_the_augmentation_are_the_defaults() -> None:
    ranges = {name: value for name, value in TRAIN["augmentation"]["ranges"].items() if name != "_target_"}
    assert ranges == vars(ViewRanges())


def test_no_other_training_configuration_has_defaults_of_its_own() -> None:
    for name in ("train_sequential.json", "multi_gpu_train.json"):
        other = json.loads((CONFIGS / name).read_text(encoding="utf-8"))
        assert not other.keys() & {field.name for field in (*fields(TrainingConfig), *fields(RunOptions))} - {"device"}


def test_bundle_trains_the_scorer_that_the_command_line_trains(phantom: Path, trained: Path, tmp_path: Path) -> None:
    options = RunOptions(tmp_path, device="cpu", quiet=True)
    scorer = train_scorer(load_dataset(phantom), options, config=CONFIG, training=TrainingConfig(max_epochs=2))
    assert differing_tensors(load_scorer(trained, "cpu"), scorer) == set()


def test_bundle_resumes_to_the_scorer_of_an_unbroken_training(phantom: Path, trained: Path, tmp_path: Path) -> None:
    train(phantom, tmp_path)
    train(phantom, tmp_path, max_epochs=2, resume=True)
    assert differing_tensors(load_scorer(tmp_path, "cpu"), load_scorer(trained, "cpu")) == set()


def test_bundle_without_anything_to_resume_is_refused_before_it_reads_a_frame(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as raised:
        train(tmp_path / "nowhere.csv", tmp_path, resume=True)
    assert isinstance(raised.value.__cause__, CheckpointError)


def test_training_does_not_write_where_the_shipped_weights_are() -> None:
    parser = ConfigParser(ConfigParser.load_config_file(CONFIGS / "train.json"))
    folder = Path(parser.get_parsed_content("output_dir"))
    assert folder.resolve() == (CONFIGS.parent / "eval" / "training").resolve()
    assert Path(parser.get_parsed_content("work_dir")) == folder
    handlers = [*TRAIN["train"]["handlers"], *TRAIN["validate"]["handlers"]]
    places = [handler["log_dir"] for handler in handlers if isinstance(handler, dict) and "log_dir" in handler]
    assert [place.split(" + ")[0] for place in places] == ["$@output_dir", "$@output_dir"]


def test_preprocessing_under_its_monai_name_takes_effect_too(phantom: Path) -> None:
    flip = {"_target_": "monai.transforms.Flipd", "keys": "image", "spatial_axis": 0}
    steps = {"_target_": "monai.transforms.Compose", "transforms": [*TRAIN["preprocessing"]["transforms"], flip]}
    flipped = calibration_of(phantom, **{"train#preprocessing": steps}).frames.images
    assert torch.equal(flipped, calibration_of(phantom).frames.images.flip(2))


def test_training_says_what_it_is_worth_and_can_be_told_not_to(phantom: Path, trained: Path, tmp_path: Path) -> None:
    assert "What to do next" in (trained / "train_report.html").read_text(encoding="utf-8")
    train(phantom, tmp_path, max_epochs=2, report=None)
    assert not (tmp_path / "train_report.html").exists()
    assert differing_tensors(load_scorer(tmp_path, "cpu"), load_scorer(trained, "cpu")) == set()


def test_order_of_the_handlers_in_the_file_makes_no_difference(phantom: Path, trained: Path, tmp_path: Path) -> None:
    reversed_lists = {f"{part}#handlers": TRAIN[part]["handlers"][::-1] for part in ("train", "validate")}
    train(phantom, tmp_path, max_epochs=2, **reversed_lists)
    assert differing_tensors(load_scorer(tmp_path, "cpu"), load_scorer(trained, "cpu")) == set()


def test_preprocessing_of_the_file_prepares_frames_as_the_command_line_does(phantom: Path) -> None:
    expected = load_images(load_dataset(phantom), (64, 64), quiet=True)
    assert torch.equal(calibration_of(phantom).frames.images, expected)


def test_step_added_to_the_preprocessing_changes_the_frames(phantom: Path) -> None:
    flip = {"_target_": "monai.transforms.Flipd", "keys": "image", "spatial_axis": 1}
    steps = [*TRAIN["preprocessing"]["transforms"], flip]
    flipped = calibration_of(phantom, **{"preprocessing#transforms": steps}).frames.images
    assert torch.equal(flipped, calibration_of(phantom).frames.images.flip(3))


def test_changed_range_of_the_augmentation_changes_the_views(phantom: Path) -> None:
    still = {f"augmentation#ranges#{name}": 0.0 for name in ("rotation_deg", "translation", "scale", "shear")}
    moved, unmoved = (calibration_of(phantom, **overrides) for overrides in ({}, still))
    for calibration in (moved, unmoved):
        calibration.cache.fill(calibration.scorer.embed, calibration.scorer.device)
    every = list(range(len(moved.frames.records)))
    identity = torch.eye(2, 3).expand(len(every), 2, 3)
    torch.testing.assert_close(unmoved.cache.known_transforms(every, 1), identity)
    assert not torch.allclose(moved.cache.known_transforms(every, 1), identity, atol=0.01)


def test_transform_added_to_the_augmentation_changes_the_views_and_is_seeded(phantom: Path) -> None:
    noise = {"_target_": "monai.transforms.RandGaussianNoised", "keys": "image", "prob": 1.0, "std": 0.2}
    overrides = {"augmentation": {"_target_": "monai.transforms.Compose", "transforms": [TRAIN["augmentation"], noise]}}
    image = calibration_of(phantom).frames.images[0]
    views = [calibration_of(phantom, **overrides).cache.views.view(image, 1) for _ in range(2)]
    assert torch.equal(views[0][0], views[1][0])
    assert torch.equal(views[0][1], views[1][1])
    assert type(views[0][0]) is torch.Tensor
    assert float((views[0][0] < 0).float().mean()) > 0.1  # noise outside the fan, where views are zero


def test_bundle_sets_the_negative_anchors_that_the_command_line_sets(
    phantom: Path, trained: Path, tmp_path: Path
) -> None:
    assert TRAIN["negatives"] is None
    kidney = next(record for record in load_dataset(phantom) if record.plane == "kidney")
    table = tmp_path / "negatives.csv"
    table.write_text(f"path,plane,group\n{kidney.path},a4c,{kidney.group}\n", encoding="utf-8")
    train(phantom, tmp_path, max_epochs=2, negatives=str(table))
    expected = load_scorer(trained, "cpu")
    assert not any(expected.negatives.sources)
    set_negatives(expected, "a4c", read_negatives(table))
    assert differing_tensors(load_scorer(tmp_path, "cpu"), expected) == set()


def test_both_protocols_of_the_bundle_take_negative_anchors() -> None:
    sequential = json.loads((CONFIGS / "train_sequential.json").read_text(encoding="utf-8"))
    assert TRAIN["negative_frames"]["table"] == "@negatives"
    assert TRAIN["calibration"]["negatives"] == sequential["run"][0]["negatives"] == "@negative_frames"
