"""Registration of one frame to all anchors of a plane at once, and the terms of the pairs.

What is computed is what ``Aligner``, ``warp_onto`` and ``consistency_terms`` compute; only cells inside the frame's
fan are looked at, and nothing about the anchors is computed twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striq.config import StriqConfig
from striq.model.aligner import Aligner
from striq.model.network import PlaneFeatures
from striq.quality.consistency import smoothness_loss, varies
from striq.registration.affine import compose_affine, identity_affine, pixel_grid
from striq.registration.modes import MatchSums, fit_sums, point_products
from striq.registration.vectors import MIN_SQUARED_LENGTH
from striq.scoring.cpu.frame_features import FrameFeatures
from striq.scoring.cpu.matching import LARGEST_SHARPNESS, GlobalMatcher, LocalMatcher, SoftMatches
from striq.scoring.cpu.resampling import MapTable, cell_table


@dataclass(frozen=True)
class PairTerms:
    """Similarity, NCC and smoothness of a frame with each anchor, ``(K, 3)``, and the transforms, ``(K, 2, 3)``."""

    terms: Tensor
    transforms: Tensor


def can_serve(aligner: Aligner, config: StriqConfig) -> bool:
    """Return whether these settings are among those this module computes; the plain path computes all."""
    sharpest = float(aligner.log_sharpness.max())
    return config.quality.ncc_window is None and sharpest <= math.log(LARGEST_SHARPNESS)


class AnchorRegistration:
    """Anchors of one plane, arranged so that a frame is registered to all of them at once.

    Args:
        anchors: Anchors as their plane sees them.
        aligner: Holds projections, gates and settings.
        config: Settings of the scorer.
    """

    def __init__(self, anchors: PlaneFeatures, aligner: Aligner, config: StriqConfig) -> None:
        self.aligner, self.quality, matching = aligner, config.quality, anchors.matching
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
        self.compared = [MapTable(torch.cat(pair, dim=1)) for pair in zip(anchors.compared.maps, inside, strict=True)]

    def _numbers(self, stage: int) -> Tensor:
        """Return which cells of the map each block matches, shape ``(T, tile * tile)``."""
        matcher, (height, width) = self.around[stage], self.sizes[stage]
        every = slice(None, None, matcher.stride)
        numbers = torch.arange(height * width, device=matcher.cells.device).view(height, width)
        return numbers[every, every].flatten()[matcher.cells]

    def pair_terms(self, frame: FrameFeatures, *, registered: bool = True) -> PairTerms:
        """Return the terms of one frame with each anchor.

        Args:
            frame: One frame as the plane sees it.
            registered: False leaves every transform at the identity.
        """
        steps = self._align(frame) if registered else [identity_affine(self.count, self.points[0])]
        similarity, ncc = [], []
        for stage, anchors in enumerate(self.compared):
            stage_terms = _StageTerms(anchors, frame, stage, steps[-1], self.cells[stage])
            similarity.append(stage_terms.similarity())
            if stage + 1 in self.quality.ncc_stages:
                ncc.append(stage_terms.ncc())
        smoothness = smoothness_loss(steps, translation_weight=self.quality.translation_weight)
        terms = [-torch.stack(similarity).mean(dim=0), -torch.stack(ncc).mean(dim=0), smoothness]
        return PairTerms(torch.stack(terms, dim=1), steps[-1])

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
        """Return the transforms that the matches of cells speak for, shape ``(K, 2, 3)``; as the aligner's."""
        mask = frame.masks[stage].index_select(0, cells)[:, None]
        evidence = found.confidence * mask
        weighted = torch.cat([evidence[:, None], evidence[:, None] * found.expected], dim=1).flatten(1)
        sums = (self.products[stage].index_select(0, cells).t() @ weighted).view(-1, 3, self.count)
        sums = (sums * self.aligner.weight(stage, sums[2, 0], mask.sum())).permute(2, 1, 0)
        moments = MatchSums(sums[:, 0], sums[:, 1:, :3])
        return fit_sums(moments, mode=self.aligner.config.mode, ridge=self.ridge[stage])


class _StageTerms:
    """Anchors warped onto the cells of a frame's fan, and what the two have in common at one stage."""

    def __init__(self, anchors: MapTable, frame: FrameFeatures, stage: int, transform: Tensor, cells: Tensor) -> None:
        inside = frame.inside[stage]
        self.mask, self.fixed = frame.masks[stage].index_select(0, inside), frame.compared(stage)
        sampled = anchors.sample(transform, cells.index_select(1, inside))
        self.moving, self.overlap = sampled[..., :-1], (sampled[..., -1] > 0.5).to(sampled)
        self.product = (self.moving * self.fixed[:, None]).sum(dim=-1)
        self.moving_square = torch.linalg.vector_norm(self.moving, dim=-1).square()
        self.fixed_square = self.fixed.square().sum(dim=-1, keepdim=True)

    def similarity(self) -> Tensor:
        """Return the mean cosine over the frame's fan, shape ``(K,)``."""
        lengths = self.moving_square.clamp(min=MIN_SQUARED_LENGTH) * self.fixed_square.clamp(min=MIN_SQUARED_LENGTH)
        return self.mask @ (self.product * lengths.rsqrt()) / self.mask.sum().clamp(min=1e-6)

    def ncc(self) -> Tensor:
        """Return the normalized cross-correlation over the fan that both share, shape ``(K,)``."""
        inside = self.overlap
        count = inside.sum(dim=0).clamp(min=1)
        shared = (self.moving * inside[:, :, None]).flatten(1)
        mean_a = (shared.new_ones(len(shared)) @ shared).view(len(count), -1) / count[:, None]
        mean_b = inside.t() @ self.fixed / count[:, None]
        var_a = ((self.moving_square * inside).sum(dim=0) / count - mean_a.square().sum(dim=1)).clamp(min=0)
        var_b = ((self.fixed_square * inside).sum(dim=0) / count - mean_b.square().sum(dim=1)).clamp(min=0)
        covariance = (self.product * inside).sum(dim=0) / count - (mean_a * mean_b).sum(dim=1)
        return covariance / (var_a * var_b + 1e-12).sqrt() * varies(var_a, var_a) * varies(var_b, var_b)
