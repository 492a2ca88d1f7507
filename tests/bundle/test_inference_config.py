"""Tests of what the bundle's inference takes and writes: items, metadata, the plane of each frame."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle.config_parser import ConfigParser
from monai.bundle.workflows import ConfigWorkflow
from monai.data.meta_tensor import MetaTensor

from striq.config import EncoderConfig, QualityConfig, StriqConfig, TrainingConfig
from striq.data.datasets import load_dataset
from striq.data.phantom import write_phantom
from striq.data.phantom.sample import write_sample
from striq.data.readers import open_cine
from striq.scoring.scorer import StriqScorer
from striq.training.run import train_scorer
from striq.training.run_options import RunOptions
from striq.types import FrameRecord

CONFIGS = Path(__file__).parents[2] / "monai_bundle" / "configs"
STEPS = json.loads((CONFIGS / "inference.json").read_text(encoding="utf-8"))["preprocessing"]["transforms"]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRecord]:
    folder = tmp_path_factory.mktemp("phantom")
    return load_dataset(write_phantom(folder, 4, 2, planes=("kidney", "a4c"), size=(96, 96)))


@pytest.fixture(scope="module")
def trained(records: list[FrameRecord], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StriqScorer]:
    config = StriqConfig(encoder=EncoderConfig(size=(64, 64)), quality=QualityConfig(num_anchors=3))
    options = RunOptions(tmp_path_factory.mktemp("trained"), device="cpu", quiet=True, anchor_images=False)
    scorer = train_scorer(records, options, config=config, training=TrainingConfig(max_epochs=1, views=1))
    return options.model_file, scorer


def rows_of(model: Path, output: Path, **overrides: Any) -> list[dict[str, str]]:
    flow = ConfigWorkflow(
        config_file=str(CONFIGS / "inference.json"),
        meta_file=str(CONFIGS / "metadata.json"),
        logging_file=str(CONFIGS / "logging.conf"),
        workflow_type="infer",
        checkpoint=str(model),
        output_dir=str(output),
        device="cpu",
        **{"preprocessing#transforms#0#size": [64, 64], **overrides},
    )
    flow.initialize()
    flow.run()
    flow.finalize()
    return list(csv.DictReader((output / "quality.csv").read_text(encoding="utf-8").splitlines()))


def test_path_is_enough_and_the_plane_is_that_of_the_scorer(
    trained: tuple[Path, StriqScorer], records: list[FrameRecord], tmp_path: Path
) -> None:
    model, scorer = trained
    paths = [str(record.path) for record in records[:4]]
    rows = rows_of(model, tmp_path, data=[{"image": path} for path in paths])
    assert [(row["source"], row["frame"], row["error"]) for row in rows] == [(path, "0", "") for path in paths]
    assert list(rows[0]) == ["source", "frame", "plane", *scorer.planes, "error"]
    assert [row["plane"] for row in rows] == [scorer.score([open_cine(path)[0]])[0].plane for path in paths]


def test_path_of_a_cine_stands_for_all_its_frames(trained: tuple[Path, StriqScorer], tmp_path: Path) -> None:
    cine = write_sample(tmp_path / "cine.dcm", plane="kidney", num_frames=3, size=(96, 96))
    rows = rows_of(trained[0], tmp_path, data=[{"image": str(cine)}])
    assert [(row["frame"], row["error"]) for row in rows] == [("0", ""), ("1", ""), ("2", "")]


def test_host_that_names_a_cine_without_a_frame_gets_a_row_that_says_so(
    trained: tuple[Path, StriqScorer], tmp_path: Path
) -> None:
    cine = write_sample(tmp_path / "cine.dcm", plane="kidney", num_frames=3, size=(96, 96))
    rows = rows_of(trained[0], tmp_path, **{"dataset#data": [{"image": str(cine)}]})
    assert len(rows) == 1
    assert "The frame is not named" in rows[0]["error"]
    assert rows[0]["plane"] == rows[0]["kidney"] == ""


def test_plane_of_a_frame_that_shows_none_is_none(
    trained: tuple[Path, StriqScorer], records: list[FrameRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows_none = torch.tensor([[0.1, 0.2, 0.7]])
    monkeypatch.setattr(StriqScorer, "plane_posterior", lambda self, frozen: shows_none.expand(len(frozen.maps[0]), -1))
    monkeypatch.setattr(StriqScorer, "uses_evidence", lambda self, plane: False)
    rows = rows_of(trained[0], tmp_path, data=[{"image": str(record.path)} for record in records[:2]])
    expected = [trained[1].score([open_cine(row["source"])[0]])[0].plane for row in rows]
    assert [row["plane"] for row in rows] == expected
    assert expected == ["none", "none"]


def prepared(path: Path, *more: dict[str, Any]) -> MetaTensor:
    parser = ConfigParser({"steps": {"_target_": "monai.transforms.Compose", "transforms": [*STEPS, *more]}})
    return parser.get_parsed_content("steps")({"image": str(path)})["image"]


def test_transforms_that_follow_see_where_the_frame_comes_from(records: list[FrameRecord]) -> None:
    flip = {"_target_": "monai.transforms.Flipd", "keys": "image", "spatial_axis": 1}
    plain, flipped = prepared(records[0].path), prepared(records[0].path, flip)
    assert isinstance(flipped, MetaTensor)
    assert torch.equal(flipped.as_tensor(), plain.as_tensor().flip(2))
    assert flipped.meta["filename_or_obj"] == str(records[0].path)
    assert [step["class"] for step in flipped.applied_operations] == ["Flip"]
    at_the_edge = torch.tensor([0.0, 255.0, 0.0, 1.0], dtype=torch.float64)
    opposite = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(flipped.affine @ at_the_edge, plain.affine @ opposite)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
