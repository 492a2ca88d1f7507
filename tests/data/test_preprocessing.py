"""Tests of ``striq.data.fan``, ``striq.data.preprocessing`` and ``striq.data.augmentation``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from striq.data import preprocessing
from striq.data.augmentation import ViewRanges, change_appearance, extend_beyond_fan, random_transform, random_view
from striq.data.fan import bounding_box, fan_mask
from striq.data.fan.geometry import KnownFan
from striq.data.phantom import PhantomFrame, make_phantom
from striq.data.preprocessing import (
    DARKEST,
    intensity_std,
    prepare_batch,
    prepare_frame,
    structure_contrast,
    structure_richness,
)
from striq.errors import ReadError
from striq.registration.affine import warp
from striq.types import Frame

STILL = ViewRanges(0, 0, 0, 0, gain=0, gamma=0, depth_tilt=0, speckle=0, shadow_chance=0, blur=0)


@pytest.fixture(scope="module")
def phantom() -> PhantomFrame:
    return make_phantom(1, 1, planes=("a4c",), seed=5)[0]


@pytest.fixture(scope="module")
def prepared(phantom: PhantomFrame) -> Tensor:
    return prepare_frame(Frame(phantom.pixels), (128, 128))


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_fan_of_a_phantom_is_found(phantom: PhantomFrame) -> None:
    assert overlap(fan_mask(phantom.pixels), phantom.fan_mask) > 0.95


def test_text_beside_the_fan_is_not_fan(phantom: PhantomFrame) -> None:
    labeled = np.pad(phantom.pixels, ((0, 0), (0, 60)))
    labeled[20:30, 265:300:3] = 1.0
    assert not fan_mask(labeled)[:, 260:].any()


def test_holes_inside_the_fan_belong_to_it(phantom: PhantomFrame) -> None:
    holed = phantom.pixels.copy()
    holed[110:140, 110:140] = 0.0
    assert fan_mask(holed)[110:140, 110:140].all()


def test_picture_without_a_large_bright_region_is_all_fan() -> None:
    assert fan_mask(np.zeros((40, 50), dtype=np.float32)).all()


def test_convention_zero_is_outside_and_only_outside(prepared: Tensor) -> None:
    assert prepared.shape == (1, 128, 128)
    inside = prepared[prepared > 0]
    assert float(inside.min()) >= DARKEST
    assert 0.3 < len(inside) / prepared.numel() < 1.0


def test_black_margins_change_nothing(phantom: PhantomFrame) -> None:
    padded = np.pad(phantom.pixels, ((30, 10), (50, 20)))
    plain, with_margin = (prepare_frame(Frame(p), (128, 128)) for p in (phantom.pixels, padded))
    torch.testing.assert_close(plain, with_margin)


def test_rows_stay_rows() -> None:
    pixels = np.full((80, 80), 0.5, dtype=np.float32)
    pixels[:10] = 1.0  # a bright band at the top
    image = prepare_frame(Frame(pixels), (32, 32))[0]
    assert image[:4].mean() > image[-4:].mean()
    torch.testing.assert_close(image[:, :4].mean(), image[:, -4:].mean())


def test_a_frame_is_prepared_alone() -> None:
    frames = [Frame(p.pixels) for p in make_phantom(1, 2, planes=("kidney",), seed=1)]
    together = prepare_batch(frames, (64, 64))
    torch.testing.assert_close(together[1], prepare_frame(frames[1], (64, 64)))


def test_a_frame_of_a_known_fan_is_prepared_as_alone(phantom: PhantomFrame) -> None:
    bright, dark = Frame(phantom.pixels), Frame(phantom.pixels * np.float32(0.6))
    fan = KnownFan.of(bright.pixels)
    other = KnownFan(dark.pixels, fan.found.copy())
    other.found[: other.found.shape[0] // 2] = False
    for size in ((64, 64), (48, 96)):
        known = [replace(bright, fan=fan), replace(dark, fan=other), replace(bright, fan=fan)]
        first, half, again = (prepare_frame(frame, size) for frame in known)
        assert torch.equal(first, again)
        assert torch.equal(first, prepare_frame(replace(bright, fan=KnownFan.of(bright.pixels)), size))
        assert not torch.equal(half > 0, first > 0)


def test_the_crop_of_a_fan_is_found_once(phantom: PhantomFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[object] = []
    monkeypatch.setattr(preprocessing, "bounding_box", lambda mask: found.append(mask) or bounding_box(mask))
    frame = Frame(phantom.pixels)
    known = replace(frame, fan=KnownFan.of(frame.pixels))
    for _ in range(3):
        prepare_frame(known, (64, 64))
    assert len(found) == 1


@pytest.mark.parametrize(("rows", "columns"), [(20, 20), (63, 200), (200, 63)])
def test_fan_that_is_too_small_is_refused(rows: int, columns: int) -> None:
    pixels = np.zeros((240, 240), dtype=np.float32)
    pixels[:rows, :columns] = np.random.default_rng(0).random((rows, columns))
    frame = Frame(pixels[: rows + 20, : columns + 20], "clip.mp4", index=7)
    with pytest.raises(ReadError, match=r"clip.mp4, frame 7: .* too small .* at least 64 x 64 .* got \d+ x \d+"):
        prepare_frame(frame, (64, 64))


def test_fan_of_the_smallest_size_is_prepared() -> None:
    pixels = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    assert prepare_frame(Frame(pixels), (32, 32)).shape == (1, 32, 32)


def test_intensity_std_is_the_standard_deviation_inside_the_fan(prepared: Tensor) -> None:
    inside = prepared[prepared > 0].numpy()
    assert float(intensity_std(prepared[None])[0]) == pytest.approx(float(inside.std()), abs=1e-5)


def test_richness_counts_structure_but_neither_speckle_nor_slow_shading() -> None:
    generator = torch.Generator().manual_seed(0)
    fan = torch.zeros(1, 256, 256)
    fan[:, 20:, 30:-30] = 1
    rows = torch.arange(256)
    walls = ((rows // 12) % 2).float()[None, :, None]
    looks = {
        "flat": torch.full((1, 256, 256), 0.5),
        "speckle": 0.5 + 0.2 * torch.randn(1, 256, 256, generator=generator),
        "shading": (0.2 + 0.6 * rows / 256)[None, :, None].expand(1, 256, 256),
        "walls": 0.3 + 0.4 * walls.expand(1, 256, 256),
    }
    richness = {name: float(structure_richness((fan * look.clamp(0.01, 1))[None])[0]) for name, look in looks.items()}
    assert richness["flat"] < 1e-4
    assert richness["walls"] > 4 * max(richness["speckle"], richness["shading"])


@pytest.mark.parametrize("gain", [0.5, 0.8, 1.2])
def test_convention_no_gain_changes_the_contrast(prepared: Tensor, gain: float) -> None:
    darker = (0.8 * prepared)[None]
    torch.testing.assert_close(structure_contrast(gain * darker), structure_contrast(darker))


def test_contrast_falls_with_haze_and_shadow(prepared: Tensor) -> None:
    inside = prepared > 0
    haze = torch.where(inside, 0.5 * prepared + 0.3, 0.0)
    shadow = prepared.clone()
    shadow[:, :, 40:70] *= 0.2
    plain = float(structure_contrast(prepared[None]))
    for spoiled in (haze, shadow):
        assert float(structure_contrast(spoiled[None])) < 0.9 * plain


def test_contrast_is_structure_over_the_intensity_that_one_pixel_in_a_hundred_exceeds(prepared: Tensor) -> None:
    white = np.sort(prepared[prepared > 0].numpy())[::-1][int((prepared > 0).sum()) // 100]
    expected = float(structure_richness(prepared[None])[0]) / float(white)
    assert float(structure_contrast(prepared[None])[0]) == pytest.approx(expected, rel=1e-5)


def test_contrast_of_a_frame_does_not_depend_on_the_rest_of_the_batch(prepared: Tensor) -> None:
    together = structure_contrast(torch.stack([prepared, prepared.square()]))
    torch.testing.assert_close(together[:1], structure_contrast(prepared[None]))


def test_view_without_changes_is_the_frame(prepared: Tensor) -> None:
    view, transform = random_view(prepared, STILL, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(transform, torch.eye(2, 3))
    torch.testing.assert_close(view, prepared, atol=1e-5, rtol=0)


def test_convention_view_shows_the_frame_at_the_transform(prepared: Tensor) -> None:
    only_pose = ViewRanges(gain=0, gamma=0, depth_tilt=0, speckle=0, shadow_chance=0, blur=0)
    view, transform = random_view(prepared, only_pose, generator=torch.Generator().manual_seed(2))
    expected = warp(extend_beyond_fan(prepared)[None], transform[None])[0]
    compared = (view > 0) & (warp(torch.ones(1, 1, 128, 128), transform[None])[0] > 0.999)
    torch.testing.assert_close(view[compared], expected[compared].clamp(DARKEST, 1), atol=1e-5, rtol=0)


def test_view_keeps_the_fan(prepared: Tensor) -> None:
    view, _ = random_view(prepared, ViewRanges(), generator=torch.Generator().manual_seed(4))
    assert torch.equal(view > 0, prepared > 0)


def test_same_seed_gives_the_same_view_and_another_seed_another(prepared: Tensor) -> None:
    views = [random_view(prepared, ViewRanges(), generator=torch.Generator().manual_seed(s))[0] for s in (7, 7, 8)]
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])


def test_extension_leaves_the_fan_alone_and_fills_the_rest(prepared: Tensor) -> None:
    extended = extend_beyond_fan(prepared)
    assert bool((extended > 0).all())
    assert torch.equal(extended[prepared > 0], prepared[prepared > 0])


def test_transforms_stay_within_their_ranges() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([random_transform(ViewRanges(), generator=generator) for _ in range(300)])
    assert float(drawn[:, :, 2].abs().max()) <= 0.24
    determinant = torch.linalg.det(drawn[:, :, :2])
    assert float(determinant.min()) > 0.5
    assert float(determinant.max()) < 1.6


def test_appearance_changes_move_nothing(prepared: Tensor) -> None:
    changed = change_appearance(prepared, ViewRanges(), generator=torch.Generator().manual_seed(1))
    both = torch.stack([prepared[prepared > 0], changed[prepared > 0]])
    assert float(torch.corrcoef(both)[0, 1]) > 0.8
