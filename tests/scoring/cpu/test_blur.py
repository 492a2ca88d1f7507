"""Tests of ``striq.scoring.cpu.blur``: the same as ``blur_inside``, whatever was blurred before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from striq.data.preprocessing import blur_inside
from striq.quality.contrast import contrast
from striq.scoring.cpu.blur import FanBlur


def drawn(seed: int, size: tuple[int, int] = (96, 160), count: int = 1) -> Tensor:
    """Frames with a fan of their own."""
    generator = torch.Generator().manual_seed(seed)
    image = 0.1 + 0.9 * torch.rand(count, 1, *size, generator=generator)
    edge = torch.linspace(-1, 1, size[1]).abs() < 0.3 + 0.6 * torch.rand(1, generator=generator)
    return image * edge


@pytest.mark.parametrize("sigma", [1.0, 4.0, 16.0, 60.0])
@pytest.mark.parametrize("size", [(64, 64), (96, 160), (100, 70)])
def test_a_blur_in_strips_is_the_blur(size: tuple[int, int], sigma: float) -> None:
    image = drawn(0, size, count=2)
    torch.testing.assert_close(FanBlur()(image, sigma), blur_inside(image, sigma), atol=1e-5, rtol=1e-5)


def test_another_fan_is_noticed() -> None:
    blur = FanBlur()
    for seed in (0, 1, 0, 2, 2):
        image = drawn(seed)
        torch.testing.assert_close(blur(image, 3.0), blur_inside(image, 3.0), atol=1e-5, rtol=1e-5)


def test_frames_of_one_fan_differ_by_their_pixels_only() -> None:
    blur, image = FanBlur(), drawn(0)
    blur(image, 3.0)
    dimmed = image * torch.linspace(0.2, 1.0, image.shape[2])[:, None]
    torch.testing.assert_close(blur(dimmed, 3.0), blur_inside(dimmed, 3.0), atol=1e-5, rtol=1e-5)


def test_threads_with_fans_of_their_own_do_not_mix_them_up() -> None:
    blur, images = FanBlur(), [drawn(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: blur(images[number % 4], 3.0), range(200)))
    for number, blurred in enumerate(found):
        torch.testing.assert_close(blurred, blur_inside(images[number % 4], 3.0), atol=1e-5, rtol=1e-5)


def test_the_contrast_is_the_plain_one() -> None:
    image = drawn(0, (256, 256), count=2)
    torch.testing.assert_close(contrast(image, FanBlur()), contrast(image), atol=1e-5, rtol=1e-5)
