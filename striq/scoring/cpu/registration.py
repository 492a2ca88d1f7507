"""Registration of one frame to all anchors of a plane at once, and the moments of the registered pairs.

It computes what ``Aligner``, ``warp_onto`` and ``measure_pairs`` compute, only at cells inside the frame's fan, and
nothing about the anchors twice.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from striq.config import QualityConfig, StriqConfig
from striq.model.aligner import Aligner
from striq.model.network import PlaneFeatures
from striq.quality.pair_moments import (
    MIN_WEIGHT,
    STABILITY_POWERS,
    LocationProducts,
    RegisteredPairs,
    WindowMoments,
    location_weight,
)
from striq.registration.affine import compose_affine, identity_affine, pixel_grid
from striq.registration.modes import MatchSums, fit_sums, point_products
from striq.scoring.cpu.frame_features import FrameFeatures
from striq.scoring.cpu.matching import LARGEST_SHARPNESS, GlobalMatcher, LocalMatcher, SoftMatches
from striq.scoring.cpu.resampling import MapTable, cell_table


def supports_settings(aligner: Aligner, config: StriqConfig) -> bool:
    """Return whether this module computes these settings; the reference engine computes all."""
    sharpest = float(aligner.log_sharpness.detach().max())
    return config.quality.ncc_window is None and sharpest <= math.log(LARGEST_SHARPNESS)


class AnchorRegistration:
    """Anchors of one plane, stored so that a frame is registered to all of them at once.

    Args:
        anchors: Features of the anchors for their plane.
        aligner: Holds projections, gates and settings.
        quality: Stages of the NCC.
    """

    def __init__(self, anchors: PlaneFeatures, aligner: Aligner, quality: QualityConfig) -> None:
        self.aligner, self.quality, matching = aligner, quality, anchors.matching
        self.count, self.deepest = len(matching), len(matching.maps) - 1
        self.sharpness, self.ridge = (
            of_stages.exp().tolist() for of_stages in (aligner.log_sharpness, aligner.log_ridge)
        )
        self.levels = list(reversed(range(len(matching.maps) - aligner.config.levels, self.deepest)))
        self.sizes = [(maps.shape[2], maps.shape[3]) for maps in matching.maps]
        like = matching.maps[0]
        self.points = [pixel_grid(height, width, like) for height, width in self.sizes]
        self.products = [point_products(points) for points in self.points]
        self.cells = [cell_table(height, width, like) for height, width in self.sizes]
        self.everywhere = GlobalMatcher(matching.maps[-1], matching.masks[-1], self.points[-1])
        self.moving = {s: MapTable(torch.cat([matching.maps[s], matching.masks[s]], dim=1)) for s in self.levels}
        self.and_beyond = {s: torch.cat([self.cells[s], self.cells[s][:, :1]], dim=1) for s in self.levels}
        settings = zip(self.sizes, aligner.config.radii, aligner.config.strides, strict=False)
        self.around = [LocalMatcher(size, radius, stride, like) for size, radius, stride in settings]
        self.numbers = [self._numbers(stage) for stage in range(self.deepest)]
        inside = [(mask > 0).to(mask) for mask in anchors.compared.masks]
        self.flat = anchors.stability is None
        stages = zip(anchors.compared.maps, inside, anchors.stability or inside, strict=True)
        self.compared = [MapTable(torch.cat(maps, dim=1)) for maps in stages]

    def _numbers(self, stage: int) -> Tensor:
        """Return the indices of the cells that each block matches, shape ``(T, tile * tile)``."""
        matcher, (height, width) = self.around[stage], self.sizes[stage]
        every = slice(None, None, matcher.stride)
        numbers = torch.arange(height * width, device=matcher.cells.device).view(height, width)
        return numbers[every, every].flatten()[matcher.cells]

    def register(self, frame: FrameFeatures, *, registered: bool = True) -> RegisteredPairs:
        """Return products and moments of one frame with each of the K anchors.

        Args:
            frame: Features of one frame.
            registered: False leaves every transform at the identity.
        """
        steps = self._align(frame) if registered else [identity_affine(self.count, self.points[0])]
        warped = [
            _WarpedAnchors(self.compared[stage], frame, stage, steps[-1], cells, flat=self.flat)
            for stage, cells in enumerate(self.cells)
        ]
        windows = {stage: warped[stage - 1].moments() for stage in self.quality.ncc_stages}
        units = {stage: warped[stage - 1].unit_moments(stage) for stage in STABILITY_POWERS}
        return RegisteredPairs([stage.products() for stage in warped], windows, units, steps)

    def _align(self, frame: FrameFeatures) -> list[Tensor]:
        """Return the composed transforms after each level, coarse to fine."""
        cells = frame.inside[self.deepest]
        vectors = frame.matched(self.deepest, cells)
        found = self.everywhere.match(vectors, self.sharpness[self.deepest])
        steps = [self._solve(self.deepest, frame, cells, found)]
        for stage in self.levels:
            warped = self.moving[stage].sample(steps[-1], self.and_beyond[stage])
            matcher = self.around[stage]
            mask = frame.masks[stage].view(self.sizes[stage])[:: matcher.stride, :: matcher.stride]
            blocks = matcher.touched(mask)
            cells = self.numbers[stage].index_select(0, blocks).flatten()
            found = matcher.match(frame.matched(stage, cells), warped, blocks, self.sharpness[stage])
            found.expected.add_(self.points[stage].index_select(0, cells)[:, :, None])
            steps.append(compose_affine(steps[-1], self._solve(stage, frame, cells, found)))
        return steps

    def _solve(self, stage: int, frame: FrameFeatures, cells: Tensor, found: SoftMatches) -> Tensor:
        """Return the transforms fitted to the matches of cells, shape ``(K, 2, 3)``; see ``Aligner.solve``."""
        mask = frame.masks[stage].index_select(0, cells)[:, None]
        evidence = found.confidence * mask
        weighted = torch.cat([evidence[:, None], evidence[:, None] * found.expected], dim=1).flatten(1)
        sums = (self.products[stage].index_select(0, cells).t() @ weighted).view(-1, 3, self.count)
        sums = (sums * self.aligner.weight(stage, sums[2, 0], mask.sum())).permute(2, 1, 0)
        moments = MatchSums(sums[:, 0], sums[:, 1:, :3])
        return fit_sums(moments, mode=self.aligner.config.mode, ridge=self.ridge[stage])


class _WarpedAnchors:
    """Anchors warped onto the M cells of a frame's fan at one stage, beside the frame."""

    def __init__(
        self, anchors: MapTable, frame: FrameFeatures, stage: int, transform: Tensor, cells: Tensor, *, flat: bool
    ) -> None:
        inside = frame.inside[stage]
        self.fan, self.fixed = frame.masks[stage].index_select(0, inside), frame.compared(stage)
        sampled = anchors.sample(transform, cells.index_select(1, inside))
        self.moving, self.overlap = sampled[..., :-2], (sampled[..., -2] > 0.5).to(sampled)
        self.stability = self.overlap if flat else sampled[..., -1] * self.overlap
        self.product = (self.moving * self.fixed[:, None]).sum(dim=-1)
        self.moving_square = torch.linalg.vector_norm(self.moving, dim=-1).square()
        self.fixed_square = self.fixed.square().sum(dim=-1, keepdim=True)

    def products(self) -> LocationProducts:
        """Return the products at every cell, each ``(K, M)`` or ``(1, M)``."""
        squares = self.moving_square.t(), self.fixed_square.t()
        weight = self.stability.t() * self.fan
        return LocationProducts(self.product.t(), *squares, self.fan[None], weight)

    def moments(self) -> WindowMoments:
        """Return the moments over the fan that both share, as one window."""
        inside = self.overlap
        covered = inside.sum(dim=0)
        count = covered.clamp(min=1)
        moving, fixed = self._sum(inside) / count[:, None], inside.t() @ self.fixed / count[:, None]
        squares = (self.product, self.moving_square, self.fixed_square)
        products = [((values * inside).sum(dim=0) / count)[:, None] for values in squares]
        return WindowMoments.from_means(
            products, [moving[..., None], fixed[..., None]], (covered > 0).to(count)[:, None]
        )

    def unit_moments(self, stage: int) -> WindowMoments:
        """Return the moments of the unit vectors, see :func:`striq.quality.pair_moments.unit_moments`."""
        weight, products = location_weight(self.stability, stage), self.products()
        total = weight.sum(dim=0)[:, None]
        moving_scale, fixed_scale = (scale.t() for scale in products.inverse_lengths())
        means = [self._sum(weight * moving_scale), (weight * fixed_scale).t() @ self.fixed]
        means = [(mean / total.clamp(min=MIN_WEIGHT))[..., None] for mean in means]
        return WindowMoments.from_means(products.unit_means(weight.t(), total), means, (total > 0).to(total))

    def _sum(self, weight: Tensor) -> Tensor:
        """Return the weighted sum of the warped anchors over the cells, shape ``(K, C)``."""
        weighted = (self.moving * weight[:, :, None]).flatten(1)
        return (weighted.new_ones(len(weighted)) @ weighted).view(weight.shape[1], -1)
