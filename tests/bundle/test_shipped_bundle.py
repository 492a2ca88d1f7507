"""Tests of the bundle as it is shipped: MONAI's own checks, offline, and the command line from any folder."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from monai.bundle.scripts import verify_metadata, verify_net_in_out

import striq
from striq.anchors.thumbnails import find_thumbnail
from striq.data.phantom import write_phantom

BUNDLE = Path(__file__).parents[2] / "monai_bundle"
CONFIGS, MODEL = BUNDLE / "configs", BUNDLE / "models" / "model.pt"
METADATA, INFERENCE = str(CONFIGS / "metadata.json"), str(CONFIGS / "inference.json")
MEGABYTE = 1_000_000
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

TENSOR = {
    "type": "object",
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
    "properties": {
        "num_channels": {"type": "integer"},
        "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}},
        "value_range": {"type": "array", "items": {"type": "number"}},
        "is_patch_data": {"type": "boolean"},
        "channel_def": {"type": "object"},
    },
}
TENSORS = {"type": "object", "additionalProperties": TENSOR}
TEXTS = ["schema", "version", "monai_version", "pytorch_version", "numpy_version"]
TEXTS += ["task", "description", "authors", "copyright"]
SCHEMA = {
    "type": "object",
    "required": [*TEXTS, "required_packages_version", "network_data_format"],
    "properties": {
        **{key: {"type": "string"} for key in [*TEXTS, "data_source", "data_type", "intended_use"]},
        **{key: {"type": "object"} for key in ["changelog", "required_packages_version", "eval_metrics"]},
        "references": {"type": "array", "items": {"type": "string"}},
        "network_data_format": {
            "type": "object",
            "required": ["inputs", "outputs"],
            "properties": {"inputs": TENSORS, "outputs": TENSORS},
        },
    },
}


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """What MONAI's schema of 2024-07-25 demands, where ``verify_metadata`` takes it for already fetched."""
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA), encoding="utf-8")
    return path


def test_metadata_passes_verification(schema: Path) -> None:
    verify_metadata(meta_file=METADATA, filepath=schema)


def test_metadata_without_a_description_is_caught(schema: Path, tmp_path: Path) -> None:
    metadata = json.loads(Path(METADATA).read_text(encoding="utf-8"))
    del metadata["description"]
    (tmp_path / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    with pytest.raises(ValueError, match="description"):
        verify_metadata(meta_file=str(tmp_path / "metadata.json"), filepath=schema)


def test_network_takes_and_gives_what_the_metadata_says() -> None:
    verify_net_in_out(net_id="network_def", meta_file=METADATA, config_file=INFERENCE, device="cpu")


def test_figures_of_the_page_are_those_of_the_metadata() -> None:
    page = (BUNDLE / "docs" / "README.md").read_text(encoding="utf-8")
    table = re.search(r"\| Figure \| Value \|\n\|---\|---\|\n((?:\|.*\n)+)", page)
    assert table
    figures = [[cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()]
    metrics = json.loads(Path(METADATA).read_text(encoding="utf-8"))["eval_metrics"]
    assert figures == [[name, f"{value:g}"] for name, value in metrics.items()]


def test_planes_are_the_same_everywhere() -> None:
    planes = striq.load_scorer(MODEL, device="cpu").planes
    output = json.loads(Path(METADATA).read_text(encoding="utf-8"))["network_data_format"]["outputs"]["pred"]
    assert [output["channel_def"][str(index)] for index in range(output["num_channels"])] == planes
    for config in (Path(INFERENCE), CONFIGS / "train.json"):
        assert json.loads(config.read_text(encoding="utf-8"))["network_def"]["planes"] == planes


def test_anchors_are_kept_as_features_with_their_source_and_without_a_path_of_any_machine() -> None:
    scorer = striq.load_scorer(MODEL, device="cpu")
    for plane, sources in zip(scorer.planes, scorer.bank.sources, strict=True):
        assert len(sources) >= 10
        assert all(source.group and not source.path.startswith("/") for source in sources)
        assert all(re.fullmatch("[0-9a-f]{12}", source.path) for source in sources), plane


def test_default_scorer_is_the_bundle_and_small_enough_to_share() -> None:
    assert striq.load_scorer(device="cpu").info == striq.load_scorer(MODEL, device="cpu").info
    assert MODEL.stat().st_size < 25 * MEGABYTE


@pytest.mark.slow
def test_command_line_runs_from_any_folder(tmp_path: Path) -> None:
    data = write_phantom(tmp_path / "data", 5, 2, planes=("kidney",)).parent
    common = [f"--bundle_root={tmp_path}", f"--dataset_dir={data}", "--device=cpu"]

    def run(run_id: str, config: str, *options: str) -> None:
        command = [sys.executable, "-m", "monai.bundle", "run", run_id, "--config_file", str(CONFIGS / config)]
        finished = subprocess.run(
            [*command, *common, *options], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900
        )
        assert finished.returncode == 0, finished.stderr[-3000:]

    run("training", "train.json", "--plane_names=['kidney']", "--max_epochs=1", "--quiet=True")
    model = f"--checkpoint={tmp_path / 'eval' / 'training' / 'model.pt'}"
    run("inference", "inference.json", model)
    rows = list(csv.DictReader((tmp_path / "eval" / "quality.csv").open(encoding="utf-8")))
    assert len(rows) == 10
    assert all(0 <= float(row["kidney"]) <= 1 for row in rows)
    run("evaluating", "evaluate.json", model)
    assert "STRIQ" in (tmp_path / "eval" / "evaluation" / "evaluation.md").read_text(encoding="utf-8")


def test_pictures_of_anchors_are_of_synthetic_planes_only() -> None:
    scorer = striq.load_scorer(BUNDLE, device="cpu")
    shown = {file.stem.rsplit("_", 1)[0] for file in (BUNDLE / "models" / "anchors").iterdir()}
    assert shown == {plane for plane in scorer.planes if plane.startswith("synthetic_")}
    for plane in shown:
        count = len(scorer.bank.sources[scorer.plane_index(plane)])
        assert all(find_thumbnail(BUNDLE, plane, number) is not None for number in range(count))
        assert find_thumbnail(BUNDLE, plane, count) is None
