"""Tests of ``striq.scoring.cuda.recording``: what CUDA graphs may record, and scores by recorded calls."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from striq.data.phantom import make_phantom
from striq.registration.modes import MODES
from striq.scoring.cuda import engine as cuda_module
from striq.scoring.cuda.engine import CudaEngine
from striq.scoring.engine import Parts
from striq.scoring.folded_encoder import pick_precision
from striq.scoring.reference import ReferenceEngine
from striq.scoring.scorer import StriqScorer
from striq.types import Frame, FrameScore
from tests.scoring.replayed import Replayed

FRAMES = [
    Frame(drawn.pixels, index=i)
    for i, drawn in enumerate(make_phantom(2, 2, planes=("a4c", "abdomen"), size=(96, 96), seed=5))
]


FROM_PYTHON = ("tensor", "new_tensor", "as_tensor", "asarray", "from_numpy")


class FromPython(TorchFunctionMode):
    """Collects the calls that make a tensor of numbers in Python."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(function, "__name__", "") in FROM_PYTHON:
            self.found.append(function.__name__)
        return function(*args, **(kwargs or {}))


class FromTheCpu(TorchDispatchMode):
    """Collects the operations that read or make a tensor in the memory of the CPU."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        if any(tensor.device.type == "cpu" for tensor in tensors):
            self.found.append(str(operation))
        return result


@torch.inference_mode()
def operations_on_the_cpu(work: Callable[[], object]) -> list[str]:
    work()  # makes what is kept between frames
    found: list[str] = []
    with FromPython(found), FromTheCpu(found):
        work()
    return found


@pytest.fixture
def scorer(tiny_scorer: StriqScorer) -> StriqScorer:
    return copy.deepcopy(tiny_scorer).eval()


@pytest.mark.parametrize("mode", MODES)
def test_nothing_of_a_frame_goes_through_the_cpu(
    scorer: StriqScorer, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On the device "meta" no tensor has values: asking for one is an error there.
    scorer.model.aligner.config = replace(scorer.model.aligner.config, mode=mode)
    scorer.to("meta")
    parts = Parts(scorer.model, scorer.bank, scorer.negatives, scorer.config, pick_precision("float32", scorer.device))
    scorer.engine = CudaEngine(parts)
    monkeypatch.setattr(CudaEngine, "embed", ReferenceEngine.embed)  # folding an encoder asks for values, once
    monkeypatch.setattr(CudaEngine, "records", lambda self, device: False)

    def work() -> None:
        frozen, frame_terms, _ = scorer.encode(torch.ones(1, 1, 64, 64, device="meta"))
        assert scorer.score_as_plane(frozen, frame_terms, 1).quality.device.type == "meta"

    assert operations_on_the_cpu(work) == []


def test_what_a_graph_cannot_record_is_noticed() -> None:
    image = torch.ones(1, device="meta")
    assert operations_on_the_cpu(lambda: image * image.new_tensor([1.0, 2.0])) == ["new_tensor"]
    assert operations_on_the_cpu(lambda: image * torch.tensor([1.0, 2.0], device="meta")) == ["tensor"]
    assert "aten.arange.default" in operations_on_the_cpu(lambda: image * torch.arange(2.0).to("meta"))
    with pytest.raises(RuntimeError):
        operations_on_the_cpu(lambda: float(image))


@pytest.fixture
def recorded(scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch) -> StriqScorer:
    """A scorer whose CUDA engine computes on the CPU, with a stand-in for graphs."""
    monkeypatch.setattr(CudaEngine, "supports", staticmethod(lambda parts, device: True))
    monkeypatch.setattr(CudaEngine, "records", lambda self, device: True)
    monkeypatch.setattr(cuda_module, "RecordedCall", Replayed)
    monkeypatch.setattr(Replayed, "made", 0)
    scorer.use_engine("cuda")
    return scorer


def one_by_one(scorer: StriqScorer) -> list[FrameScore]:
    return [scorer.score([frame])[0] for frame in FRAMES]


def values(scores: Sequence[FrameScore]) -> list[Any]:
    return [(s.plane, s.nearest_anchor, pytest.approx(s.quality, abs=1e-5)) for s in scores]


def test_single_frames_replay_what_was_recorded_once(tiny_scorer: StriqScorer, recorded: StriqScorer) -> None:
    assert values(one_by_one(recorded)) == values(one_by_one(tiny_scorer))
    assert {score.scored_plane for score in one_by_one(recorded)} == set(recorded.planes)
    assert Replayed.made == 4  # features, frame terms, and the pair terms of each plane


def test_several_frames_at_once_are_not_recorded(tiny_scorer: StriqScorer, recorded: StriqScorer) -> None:
    plane = recorded.planes[0]
    assert values(recorded.score(FRAMES, plane)) == values(tiny_scorer.score(FRAMES, plane))
    assert Replayed.made == 0


def test_a_changed_model_is_recorded_again(recorded: StriqScorer) -> None:
    before = [score.quality for score in one_by_one(recorded)]
    with torch.no_grad():
        recorded.model.subspace.up += 0.5
        recorded.model.mean_map(0)[:] += 1.0
    assert [score.quality for score in one_by_one(recorded)] != pytest.approx(before, abs=1e-3)
    assert Replayed.made == 6  # the pair terms of each plane once more


def test_a_result_is_not_overwritten_by_the_next_call(recorded: StriqScorer) -> None:
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    first = recorded.embed(images[:1])
    kept = first.maps[0].clone()
    recorded.embed(images[1:])
    assert torch.equal(first.maps[0], kept)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_graphs_give_the_scores_of_the_cpu(tiny_scorer: StriqScorer, scorer: StriqScorer, precision: str) -> None:
    scorer.to("cuda")
    scorer.use_engine("cuda", precision=precision)
    for _ in range(2):
        for found, plain in zip(one_by_one(scorer), one_by_one(tiny_scorer), strict=True):
            assert found.quality == pytest.approx(plain.quality, abs=1e-3 if precision == "float32" else 5e-3)
            assert (found.plane, found.nearest_anchor) == (plain.plane, plain.nearest_anchor)
