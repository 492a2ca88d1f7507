"""Every engine computes what the reference engine computes, and one is chosen once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from striq.data.phantom import make_phantom
from striq.errors import StriqError
from striq.evaluation.studies.benchmark import bench_frames, bench_scorer
from striq.quality.plane_scores import PlaneScores
from striq.registration.modes import MODES
from striq.scoring.cuda import engine as cuda_module
from striq.scoring.cuda.engine import CudaEngine
from striq.scoring.engine import Engine, Parts
from striq.scoring.engines import ENGINES
from striq.scoring.folded_encoder import pick_precision
from striq.scoring.loading import load_scorer
from striq.scoring.reference import ReferenceEngine
from striq.scoring.scorer import StriqScorer
from striq.types import AnchorSource, Frame
from tests.scoring.replayed import Replayed

SIZE = (64, 64)
QUERIES = bench_frames(2, size=SIZE).flip(3)
FRAMES = [
    Frame(drawn.pixels, index=i)
    for i, drawn in enumerate(make_phantom(3, 1, planes=("a4c", "abdomen"), size=(96, 96), seed=5))
]


class RegisteredEngine(ReferenceEngine):
    """An engine that a program adds to the table."""

    name = "registered"


class WrongEngine(ReferenceEngine):
    """An engine whose terms are off by a little."""

    name = "wrong"

    def pair_terms(self, *arguments: object, **options: object):
        pairs = super().pair_terms(*arguments, **options)  # pyright: ignore[reportArgumentType]
        return replace(pairs, terms=pairs.terms + 1e-3)


NAMES = [*(name for name in ENGINES if name != ReferenceEngine.name), RegisteredEngine.name]


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the test's engines to the table, and let the CUDA engine compute on a CPU."""
    monkeypatch.setitem(ENGINES, RegisteredEngine.name, RegisteredEngine)
    monkeypatch.setitem(ENGINES, WrongEngine.name, WrongEngine)
    if not torch.cuda.is_available():
        monkeypatch.setattr(CudaEngine, "supports", staticmethod(lambda parts, device: True))
        monkeypatch.setattr(CudaEngine, "records", lambda self, device: True)
        monkeypatch.setattr(cuda_module, "RecordedCall", Replayed)


@pytest.fixture
def scorer() -> StriqScorer:
    return bench_scorer(2, 5, size=SIZE)


def engine_of(scorer: StriqScorer, name: str) -> Engine:
    parts = Parts(scorer.model, scorer.bank, scorer.negatives, scorer.config, pick_precision("float32", scorer.device))
    return ENGINES[name](parts)  # pyright: ignore[reportCallIssue]


@torch.inference_mode()
def scores(scorer: StriqScorer, name: str, **controls: bool) -> PlaneScores:
    if name == CudaEngine.name and torch.cuda.is_available():
        scorer = copy.deepcopy(scorer).to("cuda")
    scorer.engine = engine_of(scorer, name)
    image = QUERIES.to(scorer.device)
    frozen, frame_terms = scorer.embed(image), scorer.frame_terms(image)
    parts = [scorer.score_as_plane(frozen[i], frame_terms[i : i + 1], 1, **controls).cpu() for i in range(2)]
    together = scorer.score_as_plane(frozen, frame_terms, 1, **controls).cpu()
    alone = torch.cat([part.pair_terms for part in parts])
    torch.testing.assert_close(together.pair_terms, alone, atol=2e-5, rtol=1e-4)
    return together


def assert_same(scorer: StriqScorer, name: str, **controls: bool) -> None:
    found, expected = (scores(scorer, engine, **controls) for engine in (name, ReferenceEngine.name))
    torch.testing.assert_close(found.pair_terms, expected.pair_terms, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(found.transforms, expected.transforms, atol=2e-5, rtol=0)
    torch.testing.assert_close(found.terms, expected.terms, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(found.quality, expected.quality, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", MODES)
def test_terms_and_transforms_are_the_references_in_every_mode(name: str, mode: str) -> None:
    scorer = bench_scorer(2, 5, size=SIZE)
    scorer.model.aligner.config = replace(scorer.model.aligner.config, mode=mode)
    assert_same(scorer, name)


@pytest.mark.parametrize("name", NAMES)
def test_negative_anchors_are_the_references(scorer: StriqScorer, name: str) -> None:
    before = scores(scorer, name)
    sources = [AnchorSource("drawn", str(i)) for i in range(2)]
    scorer.negatives.fill(1, scorer.embed(QUERIES.flip(2)), sources)
    assert_same(scorer, name)
    with_negatives = scores(scorer, name)
    torch.testing.assert_close(with_negatives.pair_terms, before.pair_terms, atol=2e-5, rtol=1e-4)
    assert with_negatives.negative_transforms.shape[1] == 2
    scorer.negatives.fill(1, scorer.embed(QUERIES), sources)  # the frames themselves
    same = scores(scorer, name)
    changed = [
        term for term, value in zip(scorer.term_names, same.terms[0] > before.terms[0] + 1e-3, strict=True) if value
    ]
    assert changed == ["right_plane"]
    assert bool((same.quality <= before.quality).all())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("controls", [{"registered": False}, {"specialized": False}, {"weighted": False}])
def test_controls_are_the_references(scorer: StriqScorer, name: str, controls: dict[str, bool]) -> None:
    assert_same(scorer, name, **controls)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_features_centered_by_plane_or_frame_are_matched_as_the_references(
    scorer: StriqScorer, name: str, share: float
) -> None:
    by_both = scores(scorer, name)
    scorer.model.aligner.config = replace(scorer.model.aligner.config, frame_centering=share)
    assert_same(scorer, name)
    assert not torch.allclose(scores(scorer, name).transforms, by_both.transforms, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("levels", [1, 2])
def test_fewer_levels_are_the_references(scorer: StriqScorer, name: str, levels: int) -> None:
    scorer.model.aligner.config = replace(scorer.model.aligner.config, levels=levels)
    assert_same(scorer, name)


@pytest.mark.parametrize("name", NAMES)
def test_ncc_of_all_stages_is_the_references(scorer: StriqScorer, name: str) -> None:
    scorer.config = replace(scorer.config, quality=replace(scorer.config.quality, ncc_stages=(1, 2, 3)))
    assert_same(scorer, name)


@pytest.mark.parametrize("name", NAMES)
def test_anchors_of_another_fan_give_the_references_terms(scorer: StriqScorer, name: str) -> None:
    features = scorer.bank.features(1)
    for mask in features.masks:
        mask[:2, :, :, : mask.shape[3] // 2] = 0
    scorer.bank.fill(1, features, scorer.bank.sources[1])
    assert_same(scorer, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_trained_subspace_gives_the_references_terms(scorer: StriqScorer, name: str) -> None:
    with torch.no_grad():
        scorer.model.subspace.up.normal_(std=0.5, generator=torch.Generator().manual_seed(0))
    assert_same(scorer, name)


def test_a_wrong_engine_is_caught(scorer: StriqScorer) -> None:
    with pytest.raises(AssertionError):
        assert_same(scorer, WrongEngine.name)


def change_subspace(scorer: StriqScorer) -> None:
    with torch.no_grad():
        scorer.model.subspace.up += 0.5


def change_projection(scorer: StriqScorer) -> None:
    with torch.no_grad():
        for parameter in scorer.model.aligner.projections.parameters():
            parameter[: len(parameter) - 1] = 0  # nearly nothing is left to match by


def change_mean_map(scorer: StriqScorer) -> None:
    scorer.model.mean_map(0)[1] += 1.0


def change_anchors(scorer: StriqScorer) -> None:
    features = scorer.bank.features(1)
    scorer.bank.fill(1, features[1:3], scorer.bank.sources[1][1:3])


def change_encoder(scorer: StriqScorer) -> None:
    with torch.no_grad():
        scorer.model.encoder.backbone.bn1.bias += 0.5


CHANGES = [change_subspace, change_projection, change_mean_map, change_anchors, change_encoder]


@pytest.mark.skipif(torch.cuda.is_available(), reason="the scorer of the CUDA engine is a copy")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", CHANGES)
def test_an_engine_follows_every_change_of_the_model(
    scorer: StriqScorer, name: str, change: Callable[[StriqScorer], None]
) -> None:
    with torch.inference_mode():
        scorer.engine = engine_of(scorer, name)
        before = scorer.score_as_plane(scorer.embed(QUERIES), scorer.frame_terms(QUERIES), 1).terms
        change(scorer)
        after = scorer.score_as_plane(scorer.embed(QUERIES), scorer.frame_terms(QUERIES), 1).terms
        assert not torch.allclose(before, after, atol=1e-4)
        scorer.engine = engine_of(scorer, ReferenceEngine.name)
        expected = scorer.score_as_plane(scorer.embed(QUERIES), scorer.frame_terms(QUERIES), 1).terms
    torch.testing.assert_close(after, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("plane", ["auto", "a4c"])
def test_scores_are_the_references_and_in_order(tiny_model: Path, name: str, plane: str) -> None:
    device = "cuda" if name == CudaEngine.name and torch.cuda.is_available() else "cpu"
    found = load_scorer(tiny_model, device, engine=name).score(FRAMES, plane)
    expected = load_scorer(tiny_model, "cpu", engine=ReferenceEngine.name).score(FRAMES, plane)
    assert [score.index for score in found] == list(range(len(FRAMES)))
    for one, other in zip(found, expected, strict=True):
        assert one.quality == pytest.approx(other.quality, abs=1e-4)
        assert (one.plane, one.nearest_anchor) == (other.plane, other.nearest_anchor)
        np.testing.assert_allclose(one.transform, other.transform, atol=1e-4)
        assert one.plane_probabilities == pytest.approx(other.plane_probabilities, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_explanations_are_the_references(tiny_model: Path, name: str) -> None:
    device = "cuda" if name == CudaEngine.name and torch.cuda.is_available() else "cpu"
    found = load_scorer(tiny_model, device, engine=name).explain(FRAMES[0])
    expected = load_scorer(tiny_model, "cpu", engine=ReferenceEngine.name).explain(FRAMES[0])
    np.testing.assert_allclose(found.residual, expected.residual, atol=1e-3)
    np.testing.assert_allclose(found.warped_anchor, expected.warped_anchor, atol=1e-3)


def test_the_engine_is_chosen_by_device_and_settings(scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the CUDA engine is for CUDA again
    assert scorer.engine.name == "cpu"
    assert copy.deepcopy(scorer).to("meta").engine.name == ReferenceEngine.name
    with torch.no_grad():
        scorer.model.aligner.log_sharpness[0] = 6.0
    scorer.use_engine()
    assert scorer.engine.name == ReferenceEngine.name
    quality = replace(scorer.config.quality, ncc_window=5)
    other = StriqScorer(scorer.planes, replace(scorer.config, quality=quality))
    assert other.engine.name == ReferenceEngine.name


def test_loading_a_checkpoint_chooses_the_engine_for_its_settings(scorer: StriqScorer) -> None:
    windowed = replace(scorer.config, quality=replace(scorer.config.quality, ncc_window=5))
    other = StriqScorer(["unset"], windowed)
    other.load_state_dict(scorer.state_dict())
    assert other.engine.name == "cpu"
    assert isinstance(other.engine, ReferenceEngine)
    assert other.engine.model is other.model
    assert other.engine.config == scorer.config


def test_unknown_and_unsuitable_engines_are_refused(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(StriqError, match="No engine 'fast'; choose one of: auto, cpu, cuda, reference"):
        load_scorer(tiny_model, "cpu", engine="fast")
    with pytest.raises(StriqError, match="'cuda' does not compute these settings on 'cpu'"):
        load_scorer(tiny_model, "cpu", engine="cuda")
