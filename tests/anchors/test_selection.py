"""Tests of ``striq.anchors.selection``."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from striq.anchors.selection import STRATEGIES, select_anchors
from striq.commands import options


@pytest.fixture
def frames() -> tuple[Tensor, Tensor]:
    """Sixty embeddings in three clusters of 30, 20 and 10, and a structure value per frame."""
    generator = torch.Generator().manual_seed(1)
    centers = torch.eye(3, 8).repeat_interleave(torch.tensor([30, 20, 10]), dim=0)
    embeddings = F.normalize(centers + 0.1 * torch.randn(60, 8, generator=generator), dim=1)
    return embeddings, torch.rand(60, generator=generator)


def choose(frames: tuple[Tensor, Tensor], strategy: str, count: int = 6, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return select_anchors(*frames, count, strategy=strategy, generator=generator).tolist()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_returns_as_many_distinct_frames_as_wanted(frames: tuple[Tensor, Tensor], strategy: str) -> None:
    chosen = choose(frames, strategy)
    assert len(set(chosen)) == 6
    assert all(0 <= index < 60 for index in chosen)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_same_seed_gives_same_anchors(frames: tuple[Tensor, Tensor], strategy: str) -> None:
    assert choose(frames, strategy, seed=3) == choose(frames, strategy, seed=3)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_fewer_frames_than_anchors_gives_all_of_them(strategy: str) -> None:
    few = (torch.eye(3), torch.arange(3.0))
    assert sorted(choose(few, strategy, count=20)) == [0, 1, 2]


def test_centroid_takes_the_frames_of_smallest_squared_distance_to_the_mean(frames: tuple[Tensor, Tensor]) -> None:
    embeddings = frames[0].numpy()
    distance = ((embeddings - embeddings.mean(axis=0)) ** 2).sum(axis=1)
    assert set(choose(frames, "centroid")) == set(distance.argsort()[:6].tolist())


def test_variance_spectrum_takes_only_frames_rich_in_structure(frames: tuple[Tensor, Tensor]) -> None:
    richest = set(frames[1].argsort(descending=True)[:12].tolist())
    assert set(choose(frames, "variance_spectrum")) <= richest


def test_variance_spectrum_is_not_the_literal_reading(frames: tuple[Tensor, Tensor]) -> None:
    assert set(choose(frames, "variance_spectrum")) != set(choose(frames, "centroid"))


def test_k_center_and_k_medoids_reach_every_cluster(frames: tuple[Tensor, Tensor]) -> None:
    cluster = torch.tensor([0] * 30 + [1] * 20 + [2] * 10)
    for strategy in ("k_center_greedy", "k_medoids"):
        assert set(cluster[choose(frames, strategy, count=3)].tolist()) == {0, 1, 2}


def test_unknown_strategy_names_the_known_ones(frames: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"variance_spectrum.*got 'best'"):
        choose(frames, "best")


def test_no_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="No frames"):
        choose((torch.zeros(0, 4), torch.zeros(0)), "random")


def test_strategies_of_the_command_line_are_those_of_the_table() -> None:
    assert options.STRATEGIES == STRATEGIES


@pytest.mark.parametrize("module", ["striq.anchors.selection", "striq.data.layouts"])
def test_names_that_the_help_lists_are_imported_without_heavy_packages(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'pydicom', 'scipy', 'numpy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
