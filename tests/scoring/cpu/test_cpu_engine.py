"""Tests of ``striq.inference``: the quick way gives the numbers of the plain way."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from striq.config import StriqConfig
from striq.evaluation.studies.benchmark import bench_frames, bench_scorer
from striq.quality.frame_terms import contrast_term
from striq.registration.modes import MODES
from striq.scoring.cpu.encoder import PRECISIONS
from striq.scoring.cpu.registration import AnchorRegistration
from striq.scoring.scorer import PlaneScores, StriqScorer

SIZE = (64, 64)
QUERIES = bench_frames(2, size=SIZE).flip(3)


@pytest.fixture
def scorer() -> StriqScorer:
    return bench_scorer(2, 5, size=SIZE)


@torch.inference_mode()
def judged(scorer: StriqScorer, *, quick: bool, **ways: bool) -> PlaneScores:
    scorer.quick.enabled = quick
    assert scorer.quick.serves(scorer.device) == quick
    return scorer.score_as_plane(scorer.embed(QUERIES), contrast_term(QUERIES), 1, **ways)


def assert_same(scorer: StriqScorer, **ways: bool) -> None:
    quick, plain = judged(scorer, quick=True, **ways), judged(scorer, quick=False, **ways)
    torch.testing.assert_close(quick.pair_terms, plain.pair_terms, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(quick.transforms, plain.transforms, atol=2e-5, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_terms_and_transforms_are_the_same_for_every_family(mode: str) -> None:
    scorer = bench_scorer(2, 5, size=SIZE)
    scorer.model.aligner.config = replace(scorer.model.aligner.config, mode=mode)
    assert_same(scorer)


@pytest.mark.parametrize("ways", [{"registered": False}, {"specialized": False}])
def test_controls_are_the_same(scorer: StriqScorer, ways: dict[str, bool]) -> None:
    assert_same(scorer, **ways)


@pytest.mark.parametrize("levels", [1, 2])
def test_fewer_levels_are_the_same(scorer: StriqScorer, levels: int) -> None:
    scorer.model.aligner.config = replace(scorer.model.aligner.config, levels=levels)
    assert_same(scorer)


def test_ncc_of_all_stages_is_the_same(scorer: StriqScorer) -> None:
    scorer.config = replace(scorer.config, quality=replace(scorer.config.quality, ncc_stages=(1, 2, 3)))
    scorer.quick.config = scorer.config
    assert_same(scorer)


def test_anchors_of_another_fan_are_the_same(scorer: StriqScorer) -> None:
    features = scorer.bank.features(1)
    for mask in features.masks:
        mask[:2, :, :, : mask.shape[3] // 2] = 0
    scorer.bank.fill(1, features, scorer.bank.sources[1])
    assert_same(scorer)


def test_subspace_that_acts_is_the_same(scorer: StriqScorer) -> None:
    with torch.no_grad():
        scorer.model.subspace.up.normal_(std=0.5, generator=torch.Generator().manual_seed(0))
    assert_same(scorer)


def test_plain_way_is_taken_where_the_quick_one_cannot_serve(scorer: StriqScorer) -> None:
    device = scorer.device
    with torch.no_grad():
        assert scorer.quick.serves(device)
        assert not scorer.quick.serves(torch.device("cuda"))
        scorer.quick.config = replace(scorer.config, quality=replace(scorer.config.quality, ncc_window=5))
        assert not scorer.quick.serves(device)
        scorer.quick.config = scorer.config
        scorer.model.aligner.log_sharpness[0] = 6.0
        assert not scorer.quick.serves(device)
    assert not scorer.quick.serves(device)  # gradients are recorded


def test_anchors_are_arranged_once_and_again_when_they_change(
    scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[AnchorRegistration] = []
    original = AnchorRegistration.__init__

    def counted(self: AnchorRegistration, *arguments: object) -> None:
        made.append(self)
        original(self, *arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(AnchorRegistration, "__init__", counted)
    first = judged(scorer, quick=True)
    judged(scorer, quick=True)
    assert len(made) == 1
    scorer.bank.fill(1, scorer.bank.features(1)[1:], scorer.bank.sources[1][1:])
    assert judged(scorer, quick=True).pair_terms.shape[1] == first.pair_terms.shape[1] - 1
    assert len(made) == 2


def test_encoder_follows_its_weights_and_precision(scorer: StriqScorer) -> None:
    with torch.inference_mode():
        before: Tensor = scorer.embed(QUERIES).maps[0].clone()
        scorer.quick.precision = PRECISIONS["bfloat16"]
        coarse = scorer.embed(QUERIES).maps[0]
        scorer.quick.precision = PRECISIONS["float32"]
    assert not torch.equal(coarse, before)
    with torch.no_grad():
        scorer.model.encoder.backbone.conv1.weight *= 1.1
        after = scorer.embed(QUERIES).maps[0]
    assert not torch.allclose(after, before)


def test_settings_of_a_checkpoint_reach_the_quick_way(scorer: StriqScorer) -> None:
    config = StriqConfig.from_dict(scorer.config.to_dict())
    other = StriqScorer(["unset"], replace(config, quality=replace(config.quality, ncc_window=5)))
    other.load_state_dict(scorer.state_dict())
    assert other.quick.config == scorer.config
    assert other.quick.model is other.model
