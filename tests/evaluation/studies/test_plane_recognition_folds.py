"""Tests of ``striq.evaluation.studies.plane_recognition_folds``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from striq.data.phantom import make_phantom
from striq.data.preprocessing import DARKEST, prepare_batch
from striq.errors import DatasetError
from striq.evaluation.studies import plane_recognition_folds
from striq.evaluation.studies.plane_recognition_folds import cross_validate_recognition, describe_frames, hide
from striq.quality.plane_posterior import frame_descriptor
from striq.scoring.scorer import StriqScorer
from striq.types import Frame, FrameRecord
from tests.conftest import DRAWN_SIZE, TINY_PLANES, TINY_SIZE

CHANNELS = (2, 3, 4)
SIZE = 2 * sum(CHANNELS) + 16 * sum(CHANNELS[:2])
PLANES = ("a", "b", "c")


def fan_frame(seed: int = 0) -> Tensor:
    image = torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(seed)) * 0.9 + 0.05
    down, across = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    return image * ((across - 15.5).abs() < down + 2)  # a sector


def test_hiding_nothing_changes_nothing() -> None:
    assert torch.equal(hide(fan_frame(), []), fan_frame())


def test_without_intensities_no_monotonic_change_of_them_is_seen() -> None:
    plain, darker = fan_frame(), 0.7 * fan_frame() ** 1.8
    hidden = hide(plain, ["intensities"])
    torch.testing.assert_close(hide(darker, ["intensities"]), hidden)
    assert torch.equal(hidden > 0, plain > 0)
    values = hidden[hidden > 0].sort().values
    expected = (torch.arange(1, len(values) + 1) / len(values)).clamp(min=DARKEST)
    torch.testing.assert_close(values, expected)


def test_equal_intensities_stay_equal_wherever_they_are() -> None:
    image = (fan_frame() > 0) * torch.where(fan_frame() > 0.5, 0.8, DARKEST)
    assert len(hide(image, ["intensities"]).unique()) == 3


def test_without_outline_the_shape_of_the_fan_is_not_seen() -> None:
    wide = torch.full((1, 32, 32), 0.5)
    sector = wide * (fan_frame() > 0)
    narrow = sector.clone()
    narrow[:, :, :6] = 0
    assert not torch.equal(sector, wide)
    assert not torch.equal(narrow, sector)
    assert torch.equal(hide(narrow, ["outline"]), hide(sector, ["outline"]))
    assert hide(sector, ["outline"]).shape == sector.shape


def test_descriptors_are_those_that_the_scorer_tells_planes_by(tiny_scorer: StriqScorer) -> None:
    frames = [Frame(frame.pixels) for frame in make_phantom(9, 1, planes=TINY_PLANES, size=DRAWN_SIZE, seed=3)]
    images = prepare_batch(frames, TINY_SIZE)
    with torch.inference_mode():
        expected = frame_descriptor(tiny_scorer.model.embed(images))
    torch.testing.assert_close(describe_frames(tiny_scorer, images), expected)
    assert not torch.allclose(describe_frames(tiny_scorer, images, ["intensities"]), expected, atol=1e-3)


def frames_of(plane: int, count: int, seed: int = 0) -> Tensor:
    center = torch.randn(SIZE, generator=torch.Generator().manual_seed(plane))
    return center + 0.3 * torch.randn(count, SIZE, generator=torch.Generator().manual_seed(1000 + seed))


@pytest.fixture
def records() -> list[FrameRecord]:
    return [FrameRecord(Path(f"{plane}{i}.png"), plane, f"{plane}{i // 2}") for plane in PLANES for i in range(40)]


@pytest.fixture
def descriptors() -> Tensor:
    return torch.cat([frames_of(number, 40, number) for number in range(3)])


def test_planes_are_told_apart_and_each_is_none_to_the_others(records: list[FrameRecord], descriptors: Tensor) -> None:
    found = cross_validate_recognition(records, descriptors, {"other": frames_of(7, 23)}, CHANNELS, folds=4)
    assert found.planes == PLANES
    assert found.confusion.sum() == 120
    assert found.accuracy > 0.85
    assert found.unknown["other"].sum() == 23
    assert found.auroc > 0.99
    for one in found.left_out:
        assert sum(one.predicted.values()) == 40
        assert one.plane not in one.predicted
        assert one.auroc > 0.99
        assert one.rejected > 0.95


def test_planes_that_look_alike_are_not_said_to_be_told_apart(records: list[FrameRecord]) -> None:
    found = cross_validate_recognition(records, frames_of(0, 120), {"other": frames_of(0, 40, 9)}, CHANNELS, folds=4)
    assert found.accuracy_among_planes < 0.5
    assert 0.35 < found.auroc < 0.65
    assert all(0.3 < one.auroc < 0.7 for one in found.left_out)


def test_frames_are_judged_by_a_fit_that_has_not_seen_their_group_nor_the_plane_left_out(
    records: list[FrameRecord], descriptors: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[set[int]] = []
    plain_fit, plain_posterior = plane_recognition_folds._fit, plane_recognition_folds._posterior

    def fit(*given: object) -> object:
        fits.append({i for i in given[2] if records[i].plane in given[1]})
        return plain_fit(*given)

    def posterior(densities: object, judged: Tensor) -> np.ndarray:
        rows = {int((descriptors == row).all(dim=1).nonzero()) for row in judged}
        groups = {records[i].group for i in fits[-1]}
        assert not groups & {records[i].group for i in rows}
        return plain_posterior(densities, judged)

    monkeypatch.setattr(plane_recognition_folds, "_fit", fit)
    monkeypatch.setattr(plane_recognition_folds, "_posterior", posterior)
    cross_validate_recognition(records, descriptors, {}, CHANNELS, folds=4)
    planes = [{records[i].plane for i in of_fit} for of_fit in fits]
    assert planes == [set(PLANES)] * 4 + [set(PLANES) - {plane} for plane in PLANES for _ in range(4)]


def test_one_plane_cannot_be_told_from_others(records: list[FrameRecord], descriptors: Tensor) -> None:
    with pytest.raises(DatasetError, match="at least two planes"):
        cross_validate_recognition(records[:40], descriptors[:40], {}, CHANNELS)
