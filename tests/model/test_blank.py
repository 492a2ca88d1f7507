"""Networks that are built to be loaded draw no random numbers, and every weight of a scorer is loaded."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from striq.model.blank import BlankWeights
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer


def test_nothing_is_drawn() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    with BlankWeights():
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 2))
        nn.init.kaiming_normal_(torch.empty(4, 4))
    assert torch.equal(torch.rand(1), expected)


def test_other_functions_are_not_affected() -> None:
    with BlankWeights():
        assert torch.equal(nn.BatchNorm2d(2).weight, torch.ones(2))
        assert torch.equal(torch.zeros(2) + 1, torch.ones(2))


def test_no_weight_of_a_loaded_scorer_is_what_was_in_memory(tiny_scorer: StriqScorer, tmp_path: Path) -> None:
    file = tiny_scorer.save(tmp_path / "model.pt")
    loaded = load_scorer(file, "cpu")
    for (name, value), (_, expected) in zip(loaded.named_parameters(), tiny_scorer.named_parameters(), strict=True):
        assert torch.equal(value, expected), name
    for (name, value), (_, expected) in zip(loaded.named_buffers(), tiny_scorer.named_buffers(), strict=True):
        assert torch.equal(value, expected), name
