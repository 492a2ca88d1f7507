"""Tests of plane evidence and of the recognition of planes with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from striq.evaluation.studies.benchmark import bench_frames, bench_scorer
from striq.quality.plane_evidence import (
    evidence_of,
    evidence_probability,
    registered_correlation,
    structure_map,
    with_evidence,
)
from striq.quality.plane_scores import PlaneScores
from striq.registration.affine import identity_affine
from striq.scoring import recognition
from striq.scoring.recognition import plane_evidence, plane_probability, recognize
from striq.scoring.scorer import StriqScorer
from striq.types import AnchorSource

SIZE = (64, 64)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def transforms(count: int) -> Tensor:
    return identity_affine(count, torch.zeros(1))[None]


def test_structure_does_not_depend_on_gain_and_offset_of_the_gray_values() -> None:
    image = 0.2 + 0.3 * torch.rand(1, 1, 64, 64, generator=rng())
    torch.testing.assert_close(structure_map(2 * image + 0.05), 2 * structure_map(image), atol=1e-5, rtol=1e-4)


def test_structure_is_zero_outside_the_fan() -> None:
    image = 0.2 + 0.3 * torch.rand(1, 1, 64, 64, generator=rng())
    image[..., :32] = 0
    assert not structure_map(image)[..., :8].any()
    assert bool((structure_map(image)[..., 8:] != 0).all())


def test_a_frame_correlates_with_itself_and_not_with_another() -> None:
    own, other = (structure_map(torch.rand(1, 1, 64, 64, generator=rng(seed))) for seed in (1, 2))
    assert float(registered_correlation(own, own, transforms(1))) == pytest.approx(1, abs=1e-4)
    assert abs(float(registered_correlation(own, other, transforms(1)))) < 0.4


def test_the_anchors_that_agree_best_count() -> None:
    own, other = (structure_map(torch.rand(1, 1, 64, 64, generator=rng(seed))) for seed in (1, 2))
    both = torch.cat([other, own])
    assert float(evidence_of(registered_correlation(own, both, transforms(2)), 0.5)) == pytest.approx(1, abs=1e-4)
    assert float(evidence_of(registered_correlation(own, both, transforms(2)), 1.0)) < 0.75


def test_probability_is_one_half_at_the_threshold_and_rises() -> None:
    evidence = torch.tensor([0.1, 0.3, 0.5])
    found = evidence_probability(evidence, torch.tensor(0.3), torch.tensor(0.1))
    assert float(found[1]) == pytest.approx(0.5)
    assert bool((found.diff() > 0).all())


def test_evidence_decides_between_one_plane_and_none_and_leaves_the_others() -> None:
    posterior = torch.tensor([[0.2, 0.1, 0.7]])
    found = with_evidence(posterior, 0, torch.tensor([0.75]))
    torch.testing.assert_close(found, torch.tensor([[0.675, 0.1, 0.225]]))


@pytest.fixture
def scorer() -> StriqScorer:
    scorer = bench_scorer(2, 4, size=SIZE)
    for plane in range(2):
        scorer.bank.set_structure(plane, structure_map(bench_frames(4, size=SIZE)))
    # A density that calls every frame "none".
    scorer.densities.typical[:] = torch.tensor([-50.0, 1.0])
    return scorer


def posterior_of(scorer: StriqScorer, image: Tensor) -> Tensor:
    with torch.inference_mode():
        return recognize(scorer, image, scorer.embed(image), scorer.frame_terms(image)).posterior


def test_without_evidence_the_density_decides(scorer: StriqScorer) -> None:
    image = bench_frames(2, size=SIZE)
    assert torch.equal(posterior_of(scorer, image), scorer.plane_posterior(scorer.embed(image)))
    assert bool((posterior_of(scorer, image).argmax(dim=1) == 2).all())


def test_evidence_names_a_frame_that_the_density_does_not_know(scorer: StriqScorer) -> None:
    image = torch.cat([bench_frames(1, size=SIZE), torch.rand(1, 1, *SIZE, generator=rng())])
    found = scorer.engine.pair_terms(scorer.embed(image), 1).transforms
    known, unknown = plane_evidence(scorer, image, found, 1).tolist()
    assert known > unknown + 0.03
    scorer.evidence_range[1] = torch.tensor([(known + unknown) / 2, 0.01])
    assert posterior_of(scorer, image).argmax(dim=1).tolist() == [1, 2]


def test_evidence_rejects_a_frame_that_the_density_knows(scorer: StriqScorer) -> None:
    scorer.densities.typical[:] = torch.tensor([50.0, 1.0])
    scorer.densities.log_volume[1] = 10.0
    image = torch.rand(1, 1, *SIZE, generator=rng())
    assert int(posterior_of(scorer, image).argmax()) == 0
    scorer.evidence_range[0] = torch.tensor([0.6, 0.05])
    assert int(posterior_of(scorer, image).argmax()) == 2


def names_the_first_plane(scorer: StriqScorer, *, sure: bool) -> Tensor:
    """Make the density name the first plane, which has no evidence of its own; return a frame."""
    scorer.densities.typical[:] = torch.tensor([50.0, 1.0])
    scorer.densities.log_volume[1] = 100.0 if sure else 2.0
    image = bench_frames(1, size=SIZE)
    of_first = float(posterior_of(scorer, image)[0, 0])
    assert (of_first > recognition.SURE) == sure
    assert of_first > 0.5
    return image


def test_evidence_of_another_plane_outweighs_a_plane_without_evidence_that_is_not_sure(scorer: StriqScorer) -> None:
    image = names_the_first_plane(scorer, sure=False)
    scorer.evidence_range[1] = torch.tensor([-2.0, 0.05])
    found = posterior_of(scorer, image)
    assert int(found.argmax()) == 1
    assert float(found[0, 0]) == 0
    scorer.evidence_range[1] = torch.tensor([2.0, 0.05])
    assert int(posterior_of(scorer, image).argmax()) == 0


def test_a_plane_that_is_sure_is_not_compared(scorer: StriqScorer) -> None:
    image = names_the_first_plane(scorer, sure=True)
    scorer.evidence_range[1] = torch.tensor([-2.0, 0.05])
    assert int(posterior_of(scorer, image).argmax()) == 0


def test_a_plane_with_evidence_of_its_own_keeps_its_frames(scorer: StriqScorer) -> None:
    image = names_the_first_plane(scorer, sure=False)
    scorer.evidence_range[:] = torch.tensor([-2.0, 0.05])
    assert int(posterior_of(scorer, image).argmax()) == 0


def test_frames_that_evidence_takes_from_a_plane_show_none_if_negative_anchors_are_nearer(
    scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = names_the_first_plane(scorer, sure=False)
    scorer.evidence_range[1] = torch.tensor([-2.0, 0.05])
    sure, nearer = torch.tensor([1.0]), torch.tensor([0.1])
    monkeypatch.setattr(recognition, "_probabilities", lambda *_: (sure, nearer))
    with torch.inference_mode():
        found = recognize(scorer, image, scorer.embed(image), scorer.frame_terms(image))
    assert found.names(("first", "second")) == ["none"]
    assert found.planes == [1]


def in_place(scorer: StriqScorer, image: Tensor) -> PlaneScores:
    """Return scores of frames as the first plane, whose anchors lie on the frames as they are."""
    count = len(image)
    scores = scorer.score_as_plane(scorer.embed(image), scorer.frame_terms(image), 0)
    found = [identity_affine(count * n, image).unflatten(0, (count, n)) for n in (4, 1)]
    return replace(scores, transforms=found[0], negative_transforms=found[1])


@torch.inference_mode()
def test_a_frame_nearer_to_a_negative_anchor_does_not_show_the_plane(scorer: StriqScorer) -> None:
    negative = torch.rand(1, 1, *SIZE, generator=rng())
    image = torch.cat([negative, bench_frames(1, size=SIZE)])
    assert plane_probability(scorer, image, in_place(scorer, image), 0).tolist() == [1, 1]
    scorer.negatives.fill(0, scorer.embed(negative), [AnchorSource("drawn", "0")])
    scorer.negatives.set_structure(0, structure_map(negative))
    of_negative, own = plane_probability(scorer, image, in_place(scorer, image), 0).tolist()
    assert of_negative < 0.01
    assert own > 0.99


def test_planes_with_negative_anchors_are_decided_by_them(scorer: StriqScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer.densities.typical[:] = torch.tensor([50.0, 1.0])
    scorer.densities.log_volume[1] = 10.0
    image = bench_frames(1, size=SIZE)
    monkeypatch.setattr(recognition, "plane_probability", lambda *_: torch.tensor([0.2]))
    assert int(posterior_of(scorer, image).argmax()) == 0
    scorer.negatives.fill(0, scorer.embed(image), [AnchorSource("drawn", "0")])
    assert int(posterior_of(scorer, image).argmax()) == 2


def test_negative_anchors_do_not_name_a_frame_that_the_evidence_rejects(scorer: StriqScorer) -> None:
    scorer.densities.typical[:] = torch.tensor([50.0, 1.0])
    scorer.densities.log_volume[1] = 10.0
    own = bench_frames(1, size=SIZE)
    scorer.negatives.fill(0, scorer.embed(torch.rand(1, 1, *SIZE, generator=rng())), [AnchorSource("drawn", "0")])
    scorer.negatives.set_structure(0, structure_map(torch.rand(1, 1, *SIZE, generator=rng())))
    scorer.evidence_range[0] = torch.tensor([2.0, 0.05])
    assert int(posterior_of(scorer, own).argmax()) == 2


def test_evidence_of_a_frame_does_not_depend_on_its_batch(scorer: StriqScorer) -> None:
    image = bench_frames(3, size=SIZE)
    found = scorer.engine.pair_terms(scorer.embed(image), 0).transforms
    together = plane_evidence(scorer, image, found, 0)
    alone = torch.cat([plane_evidence(scorer, image[i : i + 1], found[i : i + 1], 0) for i in range(3)])
    torch.testing.assert_close(together, alone)
