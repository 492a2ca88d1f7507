"""Products and moments of registered pairs, from which the consistency terms are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.config import QualityConfig
from striq.model.network import Registration
from striq.registration.vectors import MIN_SQUARED_LENGTH

# Stages whose unit vectors are correlated, and the power of the stability that weighs their locations: structure that
# all anchors show says how clear a frame is, nearly all of the fan which plane it is (docs/experiments.md).
CLARITY_STAGE, PLANE_STAGE = 1, 2
STABILITY_POWERS = {CLARITY_STAGE: 2, PLANE_STAGE: 0}
MIN_WEIGHT = 1e-6  # smallest total weight that sums are divided by


@dataclass(frozen=True)
class LocationProducts:
    """Inner products over channels of N pairs at the L locations of one stage.

    Attributes:
        product: Of the warped anchor and the frame, shape ``(N, L)``.
        moving_square: Of the warped anchor with itself, shape ``(N, L)``.
        fixed_square: Of the frame with itself, shape ``(N, L)`` or ``(1, L)``.
        fan: Share of each location that lies in the frame's fan, shape ``(N, L)`` or ``(1, L)``.
        stability: Stability of the warped anchor times ``fan``, zero where it does not cover the fan, ``(N, L)``.
    """

    product: Tensor
    moving_square: Tensor
    fixed_square: Tensor
    fan: Tensor
    stability: Tensor

    def inverse_lengths(self) -> tuple[Tensor, Tensor]:
        """Return the inverse lengths of the features of both, zero where the anchor has none."""
        # Interpolation leaves traces of a neighbor's features, 1e-6 of their length, just outside the anchor's fan.
        present = (self.moving_square > MIN_SQUARED_LENGTH).to(self.product)
        squares = (self.moving_square, self.fixed_square)
        moving, fixed = (square.clamp(min=MIN_SQUARED_LENGTH).rsqrt() for square in squares)
        return present * moving, fixed

    def cosine(self) -> Tensor:
        """Return the cosine of the features at every location, shape ``(N, L)``; zero where the anchor has none."""
        moving, fixed = self.inverse_lengths()
        return self.product * moving * fixed

    def unit_means(self, weight: Tensor, total: Tensor) -> list[Tensor]:
        """Return the weighted means of the products of unit vectors, each ``(N, 1)``.

        Args:
            weight: Of the locations, shape ``(N, L)``.
            total: Sum of the weights, shape ``(N, 1)``.
        """
        moving, fixed = self.inverse_lengths()
        products = (self.product * moving * fixed, self.moving_square * moving**2, self.fixed_square * fixed**2)
        return [(values * weight).sum(dim=1, keepdim=True) / total.clamp(min=MIN_WEIGHT) for values in products]


@dataclass(frozen=True)
class WindowMoments:
    """Second moments of N pairs in V windows of one stage, summed over channels, each ``(N, V)``.

    Attributes:
        covariance: Of the warped anchor and the frame.
        moving_variance: Of the warped anchor.
        fixed_variance: Of the frame.
        valid: 1 for a window that counts, else 0.
    """

    covariance: Tensor
    moving_variance: Tensor
    fixed_variance: Tensor
    valid: Tensor

    @classmethod
    def from_means(cls, products: Sequence[Tensor], means: Sequence[Tensor], valid: Tensor) -> WindowMoments:
        """Return the moments of windows.

        Args:
            products: Means over each window of ``product``, ``moving_square`` and ``fixed_square``, each ``(N, V)``.
            means: Means over each window of the warped anchor and of the frame, each ``(N, C, V)``.
            valid: As in the class.
        """
        (product, moving_square, fixed_square), (moving, fixed) = products, means
        return cls(
            product - (moving * fixed).sum(dim=1),
            (moving_square - moving.square().sum(dim=1)).clamp(min=0),
            (fixed_square - fixed.square().sum(dim=1)).clamp(min=0),
            valid,
        )


@dataclass(frozen=True)
class RegisteredPairs:
    """What the consistency terms are computed from, for N pairs of a frame and an anchor warped onto it.

    Attributes:
        stages: Products of stages 1 to 3.
        windows: Moments of the stages whose NCC is taken, by the number of the stage, from 1.
        units: Moments of the unit vectors of a stage over the fan, by the number of the stage, see
            :func:`unit_moments`.
        steps: Composed transforms after each level, coarse to fine, each ``(N, 2, 3)``.
    """

    stages: Sequence[LocationProducts]
    windows: Mapping[int, WindowMoments]
    units: Mapping[int, WindowMoments]
    steps: Sequence[Tensor]


def measure_pairs(registration: Registration, config: QualityConfig) -> RegisteredPairs:
    """Return products and moments of registered maps.

    Args:
        registration: Anchors warped onto frames.
        config: Stages and window of the NCC.
    """
    fixed = registration.fixed
    pairs = list(zip(registration.warped, fixed.maps, fixed.masks, strict=True))
    stages = [
        location_products(*pair, stability) for pair, stability in zip(pairs, registration.stability, strict=True)
    ]
    windows: dict[int, WindowMoments] = {}
    for stage in config.ncc_stages:
        (moving, fixed_maps, _), overlap = pairs[stage - 1], registration.overlap[stage - 1]
        windows[stage] = window_moments(moving, fixed_maps, overlap, stages[stage - 1], config.ncc_window)
    units: dict[int, WindowMoments] = {}
    for stage in STABILITY_POWERS:
        (moving, fixed_maps, _), stability = pairs[stage - 1], registration.stability[stage - 1]
        units[stage] = unit_moments(moving, fixed_maps, location_weight(stability, stage), stages[stage - 1])
    return RegisteredPairs(stages, windows, units, registration.alignment.steps)


def location_products(moving: Tensor, fixed: Tensor, fan: Tensor, stability: Tensor) -> LocationProducts:
    """Return the products of two maps at every location.

    Args:
        moving: Anchor maps warped onto the frames, shape ``(N, C, H, W)``.
        fixed: Maps of the frames, same shape.
        fan: Fan masks of the frames, shape ``(N, 1, H, W)``.
        stability: Stability of the anchors on the frames, zero where they do not cover the fan, same shape.
    """
    pairs = ((moving, fixed), (moving, moving), (fixed, fixed))
    product, moving_square, fixed_square = ((a * b).sum(dim=1).flatten(1) for a, b in pairs)
    weight = (stability * fan).flatten(1)
    return LocationProducts(product, moving_square, fixed_square, fan.flatten(1), weight)


def window_moments(
    moving: Tensor, fixed: Tensor, overlap: Tensor, products: LocationProducts, window: int | None
) -> WindowMoments:
    """Return the moments of two maps in local windows, or in the whole fan as one window.

    Args:
        moving: Anchor maps warped onto the frames, shape ``(N, C, H, W)``.
        fixed: Maps of the frames, same shape.
        overlap: Where both hold ultrasound, shape ``(N, 1, H, W)``.
        products: Products of the same maps.
        window: Width of a window in cells, odd; ``None`` takes the whole fan.
    """
    inside = (overlap > 0).to(fixed)
    count = _window_sum(inside, window)
    # A local window is valid where at least half of it lies in the fan.
    valid = inside * (count > window**2 / 2) if window else (count > 0).to(count)
    count = count.clamp(min=1)

    def mean(maps: Tensor) -> Tensor:
        return (_window_sum(maps * inside, window) / count).flatten(2)

    of_locations = (products.product, products.moving_square, products.fixed_square)
    means = [mean(values.view_as(overlap))[:, 0] for values in of_locations]
    return WindowMoments.from_means(means, [mean(moving), mean(fixed)], valid.flatten(1))


def unit_moments(moving: Tensor, fixed: Tensor, weight: Tensor, products: LocationProducts) -> WindowMoments:
    """Return the moments of the unit vectors of two maps over the fan, as one window.

    Convention:
        - A location counts by its weight alone, whatever the length of its features.

    Args:
        moving: Anchor maps warped onto the frames, shape ``(N, C, H, W)``.
        fixed: Maps of the frames, same shape.
        weight: Of the locations, shape ``(N, 1, H, W)``.
        products: Products of the same maps.
    """
    weight = weight.flatten(1)
    total = weight.sum(dim=1, keepdim=True)
    pairs = zip((moving, fixed), products.inverse_lengths(), strict=True)
    means = [
        (maps.flatten(2) @ (weight * scale)[..., None]) / total.clamp(min=MIN_WEIGHT)[..., None]
        for maps, scale in pairs
    ]
    return WindowMoments.from_means(products.unit_means(weight, total), means, (total > 0).to(total))


def location_weight(stability: Tensor, stage: int) -> Tensor:
    """Return how much locations count where unit vectors are correlated; zero where the stability is.

    Args:
        stability: Stability of the anchors on the frames, zero where they do not cover the fan, any shape.
        stage: Number of the stage, from 1.
    """
    return (stability > 0) * stability ** STABILITY_POWERS[stage]


def _window_sum(maps: Tensor, window: int | None) -> Tensor:
    return maps.sum(dim=(2, 3), keepdim=True) if window is None else _box_sum(maps, window)


def _box_sum(maps: Tensor, window: int) -> Tensor:
    # Shifted sums, rows then columns: a third of the time of avg_pool2d on a CPU.
    height, width = maps.shape[2:]
    padded = F.pad(maps, [window // 2] * 4)
    rows = torch.stack([padded[:, :, i : i + height] for i in range(window)]).sum(dim=0)
    return torch.stack([rows[..., i : i + width] for i in range(window)]).sum(dim=0)
