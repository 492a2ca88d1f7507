"""Tests of the anchors that ``striq.scoring.scorer`` keeps between frames: they follow every change of the model."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from striq.quality.frame_terms import contrast_term
from striq.scoring.scorer import StriqScorer

PICTURES = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


@pytest.fixture
def scorer(tiny_scorer: StriqScorer) -> StriqScorer:
    return copy.deepcopy(tiny_scorer).eval()


def judged(scorer: StriqScorer, *, keep: bool) -> Tensor:
    """Terms and transforms; nothing is kept while gradients are recorded."""
    with torch.inference_mode() if keep else torch.enable_grad():
        found = scorer.score_as_plane(scorer.model.embed(PICTURES), contrast_term(PICTURES), 0)
        return torch.cat([found.pair_terms.flatten(), found.transforms.flatten()]).detach().clone()


def change_subspace(scorer: StriqScorer) -> None:
    with torch.no_grad():
        scorer.model.subspace.up += 0.5


def change_projection(scorer: StriqScorer) -> None:
    with torch.no_grad():
        for parameter in scorer.model.aligner.projections.parameters():
            parameter[: len(parameter) - 1] = 0  # nearly nothing is left to match by


def change_mean_map(scorer: StriqScorer) -> None:
    scorer.model.mean_map(0)[0] += 1.0


def change_anchors(scorer: StriqScorer) -> None:
    scorer.bank.fill(0, scorer.bank.features(1), scorer.bank.sources[1])


def load_another(scorer: StriqScorer) -> None:
    other = copy.deepcopy(scorer)
    change_anchors(other)
    scorer.load_state_dict(other.state_dict())


@pytest.mark.parametrize("change", [change_subspace, change_projection, change_mean_map, change_anchors, load_another])
def test_kept_anchors_follow_the_model(scorer: StriqScorer, change: Callable[[StriqScorer], None]) -> None:
    before = judged(scorer, keep=True)
    torch.testing.assert_close(before, judged(scorer, keep=False))
    change(scorer)
    after = judged(scorer, keep=True)
    torch.testing.assert_close(after, judged(scorer, keep=False))
    assert not torch.allclose(after, before, atol=1e-4)


def test_anchors_are_described_once_for_many_frames(scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    described: list[int] = []
    original = scorer.model.describe
    monkeypatch.setattr(scorer.model, "describe", lambda f, *a, **k: described.append(len(f)) or original(f, *a, **k))
    for _ in range(3):
        judged(scorer, keep=True)
    assert described == [len(scorer.bank.sources[0])]


def test_without_the_subspace_other_anchors_are_kept(scorer: StriqScorer) -> None:
    change_subspace(scorer)
    with torch.inference_mode():
        frozen, contrast = scorer.model.embed(PICTURES), contrast_term(PICTURES)
        on, off = (scorer.score_as_plane(frozen, contrast, 0, specialized=s).pair_terms for s in (True, False))
        again = scorer.score_as_plane(frozen, contrast, 0).pair_terms
    assert not torch.allclose(on, off)
    torch.testing.assert_close(again, on)
