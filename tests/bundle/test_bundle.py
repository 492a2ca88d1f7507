"""Tests of the MONAI bundle: wiring, training, inference and evaluation, from another folder and offline."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from monai.bundle.config_parser import ConfigParser
from monai.bundle.scripts import ckpt_export, onnx_export
from monai.bundle.scripts import run as run_bundle
from monai.bundle.workflows import ConfigWorkflow
from PIL import Image
from scipy import stats

from striq.data.phantom import write_phantom
from striq.data.readers import open_cine
from striq.data.transforms import list_frames
from striq.errors import CheckpointError, StriqError
from striq.monai_bundle.data import bundle_root
from striq.monai_bundle.inference import load_engine
from striq.scoring.loading import load_scorer
from striq.training.curves import read_curves

BUNDLE = Path(__file__).parents[2] / "monai_bundle"
CONFIGS = BUNDLE / "configs"
NAMES = tuple(sorted(path.stem for path in CONFIGS.glob("*.json") if path.stem != "metadata"))
SMALL = {
    "config": {
        "_target_": "striq.config.StriqConfig",
        "encoder": {"_target_": "striq.config.EncoderConfig", "size": [64, 64]},
        "quality": {"_target_": "striq.config.QualityConfig", "num_anchors": 3},
    },
    "max_epochs": 1,
    "quiet": True,
    "plane_names": ["kidney", "a4c"],
    "device": "cpu",
}
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def workflow(name: str, kind: str | None, **overrides: Any) -> ConfigWorkflow:
    return ConfigWorkflow(
        config_file=str(CONFIGS / f"{name}.json"),
        meta_file=str(CONFIGS / "metadata.json"),
        logging_file=str(CONFIGS / "logging.conf"),
        workflow_type=kind,
        **overrides,
    )


def run(flow: ConfigWorkflow) -> None:
    flow.initialize()
    assert not flow.check_properties(), "properties that MONAI requires are missing"
    flow.run()
    flow.finalize()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def phantom(elsewhere: Path) -> Path:
    return write_phantom(elsewhere / "data", 5, 3, planes=("kidney", "a4c"), size=(96, 96)).parent


@pytest.fixture(scope="module")
def trained(elsewhere: Path, phantom: Path) -> Path:
    output = elsewhere / "models"
    work = str(elsewhere / "work")
    run(workflow("train", "train", dataset_dir=str(phantom), output_dir=str(output), work_dir=work, **SMALL))
    return output / "model.pt"


def strings_of(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from ((key, part),) if isinstance(part, str) else strings_of(part)
    elif isinstance(value, list):
        for part in value:
            yield from (("", part),) if isinstance(part, str) else strings_of(part)


@pytest.mark.parametrize("name", NAMES)
def test_bundle_is_wiring_only(name: str) -> None:
    simple = re.compile(r"^\$@[\w#]+(\.\w+)*(\(\))?( \+ '[\w/.]+')?$")
    for key, text in strings_of(json.loads((CONFIGS / f"{name}.json").read_text(encoding="utf-8"))):
        if key == "_target_":
            assert text.startswith(("striq.", "monai.")), text
        elif text.startswith("$"):
            assert simple.match(text), f"a program in a string: {text}"


def test_metadata_has_what_the_schema_requires() -> None:
    metadata = json.loads((CONFIGS / "metadata.json").read_text(encoding="utf-8"))
    required = (
        "schema version monai_version pytorch_version numpy_version required_packages_version task description authors "
        "copyright network_data_format"
    )
    assert set(required.split()) <= set(metadata)
    assert metadata["version"] in metadata["changelog"]
    for side in ("inputs", "outputs"):
        for tensor in metadata["network_data_format"][side].values():
            assert {"type", "format", "num_channels", "spatial_shape", "dtype", "value_range"} <= set(tensor)


def test_training_from_another_folder_writes_a_loadable_model(trained: Path) -> None:
    scorer = load_scorer(trained, device="cpu")
    assert scorer.planes == ["a4c", "kidney"]
    assert [len(sources) for sources in scorer.bank.sources] == [3, 3]


def test_inference_gives_the_quality_that_the_scorer_gives(trained: Path, phantom: Path, elsewhere: Path) -> None:
    frames = [item for item in list_frames(phantom) if "frame_00" in item["image"]]
    overrides = {"preprocessing#transforms#0#size": [64, 64], "data": frames}
    output = elsewhere / "out"
    run(workflow("inference", "infer", checkpoint=str(trained), output_dir=str(output), device="cpu", **overrides))
    rows = list(csv.DictReader((output / "quality.csv").open(encoding="utf-8")))
    assert len(rows) == len(frames)
    scorer = load_scorer(trained, device="cpu")
    for row in rows[:3]:
        for plane in scorer.planes:
            direct = scorer.score([open_cine(row["source"])[int(row["frame"])]], plane)[0]
            assert float(row[plane]) == pytest.approx(direct.quality, abs=1e-5)


def test_frame_that_cannot_be_read_is_a_row(trained: Path, phantom: Path, elsewhere: Path) -> None:
    folder = elsewhere / "mixed"
    folder.mkdir()
    good = sorted(phantom.rglob("*.png"))[:2]
    for path in good:
        shutil.copy(path, folder / path.name)
    (folder / "a_broken.png").write_bytes(good[0].read_bytes()[:60])
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(folder / "black.png")
    output = elsewhere / "with_errors"
    overrides = {"preprocessing#transforms#0#size": [64, 64], "dataset_dir": str(folder), "output_dir": str(output)}
    run(workflow("inference", "infer", checkpoint=str(trained), device="cpu", **overrides))
    rows = {Path(row["source"]).name: row for row in csv.DictReader((output / "quality.csv").open(encoding="utf-8"))}
    assert len(rows) == 4
    for path in good:
        assert (rows[path.name]["frame"], rows[path.name]["error"]) == ("0", "")
        assert 0 <= float(rows[path.name]["kidney"]) <= 1
    assert "cannot be read" in rows["a_broken.png"]["error"]
    assert "The frame is empty" in rows["black.png"]["error"]
    assert rows["black.png"]["kidney"] == ""


def test_postprocessing_of_the_file_takes_effect(trained: Path, phantom: Path, elsewhere: Path) -> None:
    output, frames = elsewhere / "yes_or_no", list_frames(phantom)[:4]
    steps = json.loads((CONFIGS / "inference.json").read_text(encoding="utf-8"))["postprocessing"]["transforms"]
    cut = {"_target_": "monai.transforms.AsDiscreted", "keys": "pred", "threshold": 0.5}
    overrides = {
        "preprocessing#transforms#0#size": [64, 64],
        "data": frames,
        "postprocessing#transforms": [cut, *steps],
    }
    run(workflow("inference", "infer", checkpoint=str(trained), output_dir=str(output), device="cpu", **overrides))
    rows = list(csv.DictReader((output / "quality.csv").open(encoding="utf-8")))
    scorer = load_scorer(trained, device="cpu")
    for row in rows:
        for plane in scorer.planes:
            quality = scorer.score([open_cine(row["source"])[int(row["frame"])]], plane)[0].quality
            assert float(row[plane]) == (1.0 if quality >= 0.5 else 0.0)


def test_evaluating_writes_the_table_with_controls(trained: Path, phantom: Path, elsewhere: Path) -> None:
    output = elsewhere / "evaluation"
    run(
        workflow(
            "evaluate",
            None,
            checkpoint=str(trained),
            dataset_dir=str(phantom / "phantom.csv"),
            output_dir=str(output),
            note="a note beside every figure",
            device="cpu",
        )
    )
    text = (output / "evaluation.md").read_text(encoding="utf-8")
    for score in ("STRIQ", "in-fan intensity std", "unregistered centered cosine", "OKS off", "a note beside"):
        assert score in text
    scores = list(csv.DictReader((output / "rated_scores.csv").open(encoding="utf-8")))
    expected = [
        stats.spearmanr(*([float(r[name]) for r in scores if r["plane"] == plane] for name in ("STRIQ", "rating")))[0]
        for plane in ("a4c", "kidney")
    ]
    metric = dict(csv.reader((output / "metrics.csv").open(encoding="utf-8"), delimiter=","))
    assert float(metric["srcc"]) == pytest.approx(sum(expected) / 2, abs=1e-6)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_exported_network_gives_the_same_quality(trained: Path, elsewhere: Path) -> None:
    ckpt_export(
        net_id="network_def",
        filepath=str(elsewhere / "model.ts"),
        ckpt_file=str(trained),
        meta_file=str(CONFIGS / "metadata.json"),
        config_file=str(CONFIGS / "inference.json"),
        use_trace=True,
        input_shape=[1, 1, 64, 64],
        device="cpu",
    )
    exported, scorer = torch.jit.load(elsewhere / "model.ts"), load_scorer(trained, device="cpu")
    image = 0.1 + 0.9 * torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(exported(image), scorer(image), atol=1e-4, rtol=0)


@pytest.mark.slow
def test_network_exported_by_monai_to_onnx_gives_the_same_quality(trained: Path, elsewhere: Path) -> None:
    onnx_export(
        net_id="network_def",
        filepath=str(elsewhere / "model.onnx"),
        ckpt_file=str(trained),
        meta_file=str(CONFIGS / "metadata.json"),
        config_file=str(CONFIGS / "inference.json"),
        input_shape=[1, 1, 64, 64],
        device="cpu",
    )
    image = 0.1 + 0.9 * torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = load_scorer(trained, device="cpu")(image)
    session = onnxruntime.InferenceSession(elsewhere / "model.onnx", providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-4, rtol=0)


def test_planes_are_learned_one_after_another_by_an_override(phantom: Path, elsewhere: Path) -> None:
    output = elsewhere / "one_by_one"
    files = [str(CONFIGS / name) for name in ("train.json", "train_sequential.json")]
    overrides = {"dataset_dir": str(phantom), "output_dir": str(output), "work_dir": str(output), **SMALL}
    run_bundle(run_id="training", config_file=files, meta_file=str(CONFIGS / "metadata.json"), **overrides)
    assert load_scorer(output, device="cpu").planes == ["kidney", "a4c"]
    assert load_scorer(output / "01_kidney", device="cpu").planes == ["kidney"]
    kept = (output / "01_kidney" / "model.pt").stat().st_mtime_ns
    (output / "02_a4c" / "model.pt").unlink()
    overrides["resume"] = True
    run_bundle(run_id="training", config_file=files, meta_file=str(CONFIGS / "metadata.json"), **overrides)
    assert (output / "01_kidney" / "model.pt").stat().st_mtime_ns == kept
    assert (output / "02_a4c" / "model.pt").is_file()


def test_training_keeps_curves_of_loss_and_error(trained: Path, elsewhere: Path) -> None:
    curves = read_curves(elsewhere / "models" / "tensorboard")
    assert [step for step, _ in curves["training"]["Loss"]] == list(range(1, len(curves["training"]["Loss"]) + 1))
    for name in ("training", "validation"):
        assert [step for step, _ in curves[name]["endpoint_error_px"]] == [1]
    assert len(curves["validation"]["negative_loss"]) == 1


def test_smaller_error_is_the_better_one_for_the_trainer() -> None:
    parser = ConfigParser(ConfigParser.load_config_file(CONFIGS / "train.json"))
    better = parser.get_parsed_content("train#trainer#metric_cmp_fn")
    assert better(1.0, 2.0)
    assert not better(2.0, 1.0)


def test_evaluating_runs_as_an_override_of_training_too(trained: Path, phantom: Path, elsewhere: Path) -> None:
    output = elsewhere / "overridden"
    files = [str(CONFIGS / name) for name in ("train.json", "evaluate.json")]
    overrides = {"checkpoint": str(trained), "dataset_dir": str(phantom / "phantom.csv"), "output_dir": str(output)}
    run_bundle(run_id="evaluating", config_file=files, meta_file=str(CONFIGS / "metadata.json"), **overrides)
    assert (output / "evaluation.md").is_file()


def test_preprocessing_of_the_evaluation_takes_effect(trained: Path, phantom: Path, elsewhere: Path) -> None:
    flip = {"_target_": "monai.transforms.Flipd", "keys": "image", "spatial_axis": 0}
    steps = json.loads((CONFIGS / "evaluate.json").read_text(encoding="utf-8"))["validate"]["preprocessing"]
    common = {"checkpoint": str(trained), "dataset_dir": str(phantom / "phantom.csv"), "device": "cpu"}
    flipped = {"validate#preprocessing#transforms": [*steps["transforms"], flip]}
    as_it_is, output = elsewhere / "as_it_is", elsewhere / "upside_down"
    run(workflow("evaluate", None, output_dir=str(as_it_is), **common))
    run(workflow("evaluate", None, output_dir=str(output), **common, **flipped))
    plain = list(csv.DictReader((as_it_is / "rated_scores.csv").open(encoding="utf-8")))
    other = list(csv.DictReader((output / "rated_scores.csv").open(encoding="utf-8")))
    assert [row["file"] for row in plain] == [row["file"] for row in other]
    assert [row["STRIQ"] for row in plain] != [row["STRIQ"] for row in other]
    one, same = (pytest.approx([float(r["in-fan intensity std"]) for r in rows], abs=1e-6) for rows in (plain, other))
    assert one.expected == same


def test_postprocessing_of_the_evaluation_takes_effect(trained: Path, phantom: Path, elsewhere: Path) -> None:
    cut = {"_target_": "monai.transforms.AsDiscreted", "keys": "pred", "threshold": 0.5}
    common = {"checkpoint": str(trained), "dataset_dir": str(phantom / "phantom.csv"), "device": "cpu"}
    output = elsewhere / "cut"
    run(workflow("evaluate", None, output_dir=str(output), **common, **{"validate#postprocessing#transforms": [cut]}))
    rows = csv.DictReader((output / "rated_scores.csv").open(encoding="utf-8"))
    assert {float(row["STRIQ"]) for row in rows} == {0.0, 1.0}


def test_bundle_in_another_folder_is_taken_for_itself(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = elsewhere / "copied"
    shutil.copytree(CONFIGS, copied / "configs")
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert bundle_root() == str(BUNDLE)
    flow = workflow("inference", "infer")
    flow.config_root_path = copied / "configs"
    flow.run_id = "bundle_root"
    flow.initialize()
    flow.run()
    assert bundle_root() == str(copied.resolve())


def test_engine_that_is_not_there_is_asked_for(elsewhere: Path) -> None:
    with pytest.raises(CheckpointError, match="trt_export"):
        load_engine(elsewhere / "model_trt.ts")


def test_engine_without_its_package_is_refused(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_tensorrt", None)
    with pytest.raises(StriqError, match="needs an NVIDIA GPU and the package torch-tensorrt"):
        load_engine(trained)


def torchrun(elsewhere: Path, run_id: str, names: list[str], overrides: dict[str, Any]) -> None:
    (elsewhere / f"{run_id}.json").write_text(json.dumps(overrides), encoding="utf-8")
    files = [*(str(CONFIGS / name) for name in names), str(elsewhere / f"{run_id}.json")]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    bundle = ["-m", "monai.bundle", "run", run_id, "--config_file", str(files)]
    finished = subprocess.run([*launcher, *bundle], capture_output=True, text=True, check=False, timeout=900)
    assert finished.returncode == 0, finished.stderr[-3000:]


@pytest.mark.slow
def test_two_processes_train_one_scorer(phantom: Path, elsewhere: Path) -> None:
    output = elsewhere / "two"
    overrides = {"dataset_dir": str(phantom), "output_dir": str(output), "work_dir": str(output), **SMALL}
    del overrides["device"]
    torchrun(elsewhere, "training", ["train.json", "multi_gpu_train.json"], overrides)
    assert load_scorer(output / "model.pt", device="cpu").planes == ["a4c", "kidney"]
    assert len(list((output / "tensorboard" / "training").iterdir())) == 1  # the first process writes


@pytest.mark.slow
def test_two_processes_evaluate_every_frame_once_as_one_process_does(
    trained: Path, phantom: Path, elsewhere: Path
) -> None:
    table = phantom / "odd.csv"  # 29 frames: not the same number for each process
    table.write_text("".join((phantom / "phantom.csv").read_text(encoding="utf-8").splitlines(keepends=True)[:-1]))
    common = {"checkpoint": str(trained), "dataset_dir": str(table)}
    one, two = elsewhere / "evaluated_by_one", elsewhere / "evaluated_by_two"
    run(workflow("evaluate", None, output_dir=str(one), device="cpu", **common))
    torchrun(elsewhere, "evaluating", ["evaluate.json", "multi_gpu_evaluate.json"], {"output_dir": str(two), **common})
    rows = [list(csv.reader((folder / "rated_scores.csv").open(encoding="utf-8"))) for folder in (one, two)]
    assert len(rows[0]) == len(rows[1]) == 1 + 29
    names = rows[0][0]
    for mine, other in zip(rows[0][1:], rows[1][1:], strict=True):
        for name, a, b in zip(names, mine, other, strict=True):
            assert a == b or float(a) == pytest.approx(float(b), abs=1e-6), name
    tables = [json.loads((folder / "evaluation.json").read_text(encoding="utf-8")) for folder in (one, two)]
    assert tables[0].keys() == tables[1].keys()
