"""The shipped model in every format: the scores of drawn and of real frames stay what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from monai.bundle.scripts import trt_export
from torch import Tensor

import striq
from striq.data.datasets import load_dataset
from striq.data.loading import load_images
from striq.data.phantom import write_phantom
from striq.scoring.export import FORMATS, export_scorer
from striq.scoring.scorer import StriqScorer

BUNDLE = Path(__file__).parents[2] / "monai_bundle"
DATA = Path(__file__).parents[3] / "shared" / "data"
MEGABYTE = 1_000_000
TOLERANCE = {"torchscript": 1e-5, "onnx": 1e-4, "torch-export": 1e-5}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def scorer() -> StriqScorer:
    return striq.load_scorer(BUNDLE, device="cpu")


@pytest.fixture(scope="module", params=list(FORMATS))
def exported(
    request: pytest.FixtureRequest, scorer: StriqScorer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    known = FORMATS[request.param]
    path = tmp_path_factory.mktemp("exported") / f"model{known.suffix}"
    export_scorer(scorer, path, request.param)
    yield request.param, path
    path.unlink()


def largest_difference(scorer: StriqScorer, kind: str, path: Path, images: Tensor) -> float:
    network = FORMATS[kind].read(path.read_bytes())
    with torch.no_grad():
        parts = images.split(3)  # the last one is smaller
        return max((network(part) - scorer(part)).abs().max().item() for part in parts)


def test_drawn_frames_keep_their_scores(exported: tuple[str, Path], scorer: StriqScorer, tmp_path: Path) -> None:
    kind, path = exported
    records = load_dataset(write_phantom(tmp_path, 2, 1, planes=("synthetic_kidney", "synthetic_face"), seed=1))
    assert largest_difference(scorer, kind, path, load_images(records, (256, 256), quiet=True)) <= TOLERANCE[kind]


def test_real_frames_keep_their_scores(exported: tuple[str, Path], scorer: StriqScorer) -> None:
    kind, path = exported
    if not (DATA / "camus_a4c").is_dir():
        pytest.skip(f"{DATA / 'camus_a4c'} is not there")
    records = load_dataset(DATA / "camus_a4c")[:4]
    assert largest_difference(scorer, kind, path, load_images(records, (256, 256), quiet=True)) <= TOLERANCE[kind]


def test_file_is_small_enough_to_pass_on(exported: tuple[str, Path]) -> None:
    assert exported[1].stat().st_size < 60 * MEGABYTE


@pytest.mark.gpu
def test_engine_of_tensorrt_gives_nearly_the_same_quality(scorer: StriqScorer, tmp_path: Path) -> None:
    pytest.importorskip("torch_tensorrt")
    trt_export(
        net_id="network_def",
        filepath=str(tmp_path / "model_trt.ts"),
        ckpt_file=str(BUNDLE / "models" / "model.pt"),
        meta_file=str(BUNDLE / "configs" / "metadata.json"),
        config_file=str(BUNDLE / "configs" / "inference.json"),
        precision="fp32",
        dynamic_batchsize=[1, 4, 8],
    )
    image = 0.1 + 0.9 * torch.rand(2, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = torch.jit.load(tmp_path / "model_trt.ts")(image.cuda()).cpu()
        torch.testing.assert_close(found, scorer(image), atol=1e-2, rtol=0)
