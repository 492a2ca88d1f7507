"""Tests of ``striq.evaluation.studies.activations``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from striq.errors import StriqError
from striq.evaluation.studies.activations import Activations, activations_report, frame_activations, separation
from striq.scoring.scorer import StriqScorer

PLANES = ("a", "b", "c")


def clusters(distance: float, rank: int = 4) -> Activations:
    generator = np.random.default_rng(0)
    centers = np.repeat(np.eye(3, 3 * rank), 12, axis=0) * distance
    values = centers + generator.normal(0, 0.1, centers.shape)
    return Activations(values.astype(np.float32), tuple(np.repeat(PLANES, 12).tolist()), rank)


def test_activations_of_a_frame_depend_on_nothing_else(tiny_scorer: StriqScorer) -> None:
    images = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    together = frame_activations(tiny_scorer, [tiny_scorer.embed(images)])
    assert together.shape == (3, len(tiny_scorer.planes) * tiny_scorer.config.subspace.rank)
    alone = frame_activations(tiny_scorer, [tiny_scorer.embed(images[1:2])])
    np.testing.assert_allclose(alone[0], together[1], atol=1e-6)


def test_planes_far_apart_are_told_apart_better(tmp_path: Path) -> None:
    assert separation(clusters(2.0)) > 0.8 > 0.2 > separation(clusters(0.1))


def test_picture_has_a_panel_and_a_figure_for_each_rank(tmp_path: Path) -> None:
    activations_report([clusters(0.1, 8), clusters(2.0, 4)], note="Drawn.").write(tmp_path)
    stored = json.loads((tmp_path / "activations.json").read_text(encoding="utf-8"))
    assert list(stored["silhouette"]) == ["4", "8"]
    assert stored["silhouette"]["4"] > stored["silhouette"]["8"]
    assert (tmp_path / "activations.png").stat().st_size > 1000


@pytest.mark.parametrize("planes", [("a",) * 12, ("a", "b", "c"), ()], ids=["one plane", "a frame each", "no frame"])
def test_planes_that_cannot_be_compared_are_said(planes: tuple[str, ...]) -> None:
    values = np.random.default_rng(0).normal(size=(len(planes), 4)).astype(np.float32)
    with pytest.raises(StriqError, match="There is no picture of activations, which compares planes"):
        activations_report([Activations(values, planes, 4), Activations(values, planes, 8)])


def test_stored_activations_are_read_back(tmp_path: Path) -> None:
    before = clusters(1.0)
    before.save(tmp_path / "one.npz")
    after = Activations.load(tmp_path / "one.npz")
    np.testing.assert_array_equal(after.values, before.values)
    assert (after.planes, after.rank) == (before.planes, before.rank)


def test_missing_scikit_learn_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(StriqError, match=r"striq\[figures\]"):
        activations_report([clusters(1.0)]).write(tmp_path)
