"""The scorer matches the appearance of frames to that of the anchors, in scores, explanations and exports alike."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from striq.errors import CheckpointError
from striq.evaluation.studies.benchmark import bench_frames, naive_quality
from striq.model.network import Pyramid
from striq.scoring.checkpoint import read_checkpoint
from striq.scoring.export import PlaneQuality
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer

IMAGES = bench_frames(2, size=(64, 64)).flip(3)


def with_share(scorer: StriqScorer, share: float) -> StriqScorer:
    """Return a copy that matches appearance by a share."""
    changed = StriqScorer(scorer.planes, scorer.config)
    state = copy.deepcopy(scorer.state_dict())
    state["_extra_state"]["config"]["quality"]["appearance_matching"] = share
    changed.load_state_dict(state)
    return changed.eval()


def other_scanner(frozen: Pyramid) -> Pyramid:
    """Return features as of another scanner: every channel scaled and moved inside the fan."""
    maps = [
        torch.where(mask > 0, 1.3 * m + 0.2 * m.std(), m) for m, mask in zip(frozen.maps, frozen.masks, strict=True)
    ]
    return Pyramid(tuple(maps), frozen.masks)


@torch.inference_mode()
def change_of_terms(scorer: StriqScorer) -> float:
    """Return how much the terms that count move from one scanner to another."""
    frozen, frame_terms = scorer.embed(IMAGES), scorer.frame_terms(IMAGES)
    here, there = (scorer.score_as_plane(features, frame_terms, 0) for features in (frozen, other_scanner(frozen)))
    counted = [scorer.term_names.index(name) for name in ("ncc", "right_plane", "clarity")]
    return float((here.terms - there.terms)[:, counted].abs().max())


def test_a_full_share_leaves_nothing_of_the_scanner(tiny_scorer: StriqScorer) -> None:
    assert change_of_terms(with_share(tiny_scorer, 1.0)) < 1e-3


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_share_leaves_the_rest_of_the_scanner(tiny_scorer: StriqScorer, share: float) -> None:
    scorer = with_share(tiny_scorer, share)
    frozen = scorer.embed(IMAGES)
    pairs = zip(frozen.maps, other_scanner(frozen).maps, strict=True)
    seen = zip(scorer.seen_as_plane(frozen, 0).maps, scorer.seen_as_plane(other_scanner(frozen), 0).maps, strict=True)
    for (own, other), (seen_own, seen_other) in zip(pairs, seen, strict=True):
        torch.testing.assert_close(seen_other - seen_own, (1 - share) * (other - own), atol=1e-3, rtol=1e-3)


def test_the_default_compares_frames_as_they_are(tiny_scorer: StriqScorer) -> None:
    frozen = tiny_scorer.embed(IMAGES)
    assert tiny_scorer.seen_as_plane(frozen, 0) is frozen


@torch.no_grad()
def test_exports_and_the_naive_way_match_appearance_too(tiny_scorer: StriqScorer) -> None:
    scorer = with_share(tiny_scorer, 0.6)
    expected = scorer(IMAGES)
    torch.testing.assert_close(PlaneQuality(scorer, together=True)(IMAGES), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(naive_quality(scorer, IMAGES[:1], 1), expected[:1, 1], atol=1e-5, rtol=0)


def test_reference_follows_the_anchors(tiny_scorer: StriqScorer) -> None:
    scorer = with_share(tiny_scorer, 1.0)
    frozen = scorer.embed(IMAGES)
    before = scorer.seen_as_plane(frozen, 0)
    scorer.bank.keep(0, [0])
    after = scorer.seen_as_plane(frozen, 0)
    assert not torch.allclose(before.maps[0], after.maps[0])


def test_a_model_keeps_its_share(tiny_scorer: StriqScorer, tmp_path: Path) -> None:
    again = load_scorer(with_share(tiny_scorer, 0.3).save(tmp_path / "model.pt"))
    assert again.config.quality.appearance_matching == again.seen_as_plane.share == 0.3


def test_a_model_without_the_setting_compares_frames_as_they_are(tiny_model: Path, tmp_path: Path) -> None:
    state = read_checkpoint(tiny_model)
    del state["_extra_state"]["config"]["quality"]["appearance_matching"]
    torch.save(state, tmp_path / "model.pt")
    assert load_scorer(tmp_path / "model.pt").seen_as_plane.share == 0


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_impossible_shares_are_refused(tiny_scorer: StriqScorer, share: float) -> None:
    with pytest.raises(ValueError, match="appearance_matching"):
        replace(tiny_scorer.config.quality, appearance_matching=share)
    with pytest.raises(CheckpointError, match="appearance_matching"):
        with_share(tiny_scorer, share)
