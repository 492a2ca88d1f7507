"""Tests of the anchor bank."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from striq.anchors.bank import AnchorBank
from striq.config import EncoderConfig, StriqConfig
from striq.model.network import Pyramid
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.types import AnchorSource

CONFIG = StriqConfig(encoder=EncoderConfig(size=(64, 64)))
SOURCES = [AnchorSource(f"{i}.png", f"g{i}", 0) for i in range(3)]


@pytest.fixture
def features() -> Pyramid:
    generator = torch.Generator().manual_seed(0)
    sizes = [(16, 16), (32, 8), (256, 4)]
    maps = tuple(10 * torch.randn(3, c, s, s, generator=generator) for c, s in sizes)
    masks: tuple[Tensor, ...] = tuple((torch.rand(3, 1, s, s, generator=generator) > 0.5).float() for _, s in sizes)
    return Pyramid(maps, masks)


def test_stored_features_are_within_half_a_level(features: Pyramid) -> None:
    bank = AnchorBank(2, 3, CONFIG)
    bank.fill(1, features, SOURCES)
    stored = bank.features(1)
    for before, after in zip(features.maps, stored.maps, strict=True):
        largest = before.abs().amax(dim=(2, 3), keepdim=True)
        assert ((before - after).abs() <= 0.51 * largest / 127 + 1e-3 * largest).all()
    for before, after in zip(features.masks, stored.masks, strict=True):
        assert torch.equal(before, after)


def test_planes_may_have_different_numbers_of_anchors(features: Pyramid) -> None:
    bank = AnchorBank(2, 3, CONFIG)
    bank.fill(0, features, SOURCES)
    bank.fill(1, features[:1], SOURCES[:1])
    assert [len(bank.features(plane)) for plane in range(2)] == [3, 1]


@pytest.mark.parametrize(("count", "num_sources"), [(0, 0), (3, 2), (3, 4)])
def test_wrong_number_of_sources_is_refused(features: Pyramid, count: int, num_sources: int) -> None:
    with pytest.raises(ValueError, match="as many sources"):
        AnchorBank(1, 3, CONFIG).fill(0, features[slice(0, count)], (SOURCES * 2)[:num_sources])


def test_more_anchors_than_agreed_are_refused(features: Pyramid) -> None:
    with pytest.raises(ValueError, match="1 to 2 anchors"):
        AnchorBank(1, 2, CONFIG).fill(0, features, SOURCES)


def test_checkpoint_brings_every_value_back(tiny_scorer: StriqScorer, tmp_path: Path) -> None:
    again = load_scorer(tiny_scorer.save(tmp_path / "model.pt"), device="cpu")
    for (name, before), (_, after) in zip(
        sorted(tiny_scorer.named_buffers()), sorted(again.named_buffers()), strict=True
    ):
        torch.testing.assert_close(before, after, rtol=0, atol=0, equal_nan=True, msg=name)
    for before, after in zip(tiny_scorer.parameters(), again.parameters(), strict=True):
        assert torch.equal(before, after)


def test_kept_anchors_are_the_same_bits(features: Pyramid) -> None:
    bank = AnchorBank(12, 3, CONFIG)
    for plane in (1, 11):
        bank.fill(plane, features, SOURCES)
    before = {name: value.clone() for name, value in bank.named_buffers()}
    bank.keep(1, [2, 0])
    assert [source.path for source in bank.sources[1]] == ["2.png", "0.png"]
    for name, value in bank.named_buffers():
        assert torch.equal(value, before[name][[2, 0]] if name.endswith("_1") else before[name]), name
    with pytest.raises(ValueError, match="at least 1 anchor"):
        bank.keep(1, [])


def test_emptied_plane_is_as_one_that_was_never_filled(features: Pyramid) -> None:
    bank, never = AnchorBank(12, 3, CONFIG), AnchorBank(12, 3, CONFIG)
    for plane in (1, 11):
        bank.fill(plane, features, SOURCES)
    bank.empty(1)
    never.fill(11, features, SOURCES)
    assert bank.sources == never.sources
    expected = dict(never.named_buffers())
    assert {name for name, value in bank.named_buffers() if not torch.equal(value, expected[name])} == set()
