"""Latent Registration Aligner (LRA): registers anchor features to query features, coarse to fine.

Paper, section 2.2, with the localization network replaced by what was measured to work: a learned projection, the
correlation volume, soft-argmax matches, and the transform in closed form by weighted least squares. The anchor
moves, the query is fixed. Until training opens its gates, every transform is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from striq.config import AlignerConfig
from striq.registration.affine import compose_affine, identity_affine, warp
from striq.registration.matching import Matches, match_globally, match_locally
from striq.registration.modes import fit_transform
from striq.registration.vectors import unit_vectors

LITTLE_EVIDENCE = 0.02  # mean confidence at which the matches count half


@dataclass(frozen=True)
class Alignment:
    """Transforms that warp moving maps onto fixed ones.

    Attributes:
        transform: The composed transform, pull-back from fixed to moving, shape ``(B, 2, 3)``.
        steps: The composed transform after each level, coarse to fine, each ``(B, 2, 3)``.
        coarse: Matches of the coarsest level; ``None`` where nothing was matched.
    """

    transform: Tensor
    steps: tuple[Tensor, ...]
    coarse: Matches | None = None

    def __getitem__(self, index: slice) -> Alignment:
        """Return the alignment of some pairs, without their matches."""
        return Alignment(self.transform[index], tuple(step[index] for step in self.steps))


def unrounded(like: Tensor) -> torch.autocast:
    """Return a context in which automatic mixed precision, where it is on, rounds no product: no fit would bear it.

    Args:
        like: Gives the device.
    """
    return torch.autocast(like.device.type, enabled=False)


class Aligner(nn.Module):
    """Estimates the transform between two feature pyramids.

    Convention:
        - ``gates`` weigh the matches of each level: 0 until training opens them, then 1.

    Args:
        channels: Channels of stages 1, 2 and 3.
        config: Family of transforms, projections, search radii.
    """

    gates: Tensor

    def __init__(self, channels: Sequence[int], config: AlignerConfig) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.projections = nn.ModuleList(
                nn.Conv2d(full, kept, 1, bias=False) for full, kept in zip(channels, config.projections, strict=True)
            )
            for projection in self.projections:
                nn.init.orthogonal_(projection.weight)  # pyright: ignore[reportArgumentType]
        self.log_sharpness = nn.Parameter(torch.full((len(channels),), config.sharpness).log())
        self.log_ridge = nn.Parameter(torch.full((len(channels),), config.ridge).log())
        self.register_buffer("gates", torch.zeros(len(channels)))

    @torch.no_grad()
    def start_from(self, heads: Sequence[Tensor]) -> None:
        """Start the projections from given rows where their shape fits, one ``(kept, C)`` per stage."""
        for projection, head in zip(self.projections, heads, strict=True):
            weight = cast("Tensor", projection.weight)
            if weight.shape[:2] == head.shape:
                weight.copy_(head[:, :, None, None] / head.norm() * len(head) ** 0.5)

    def projection(self, stage: int) -> Tensor:
        """Return what projects one stage (counted from 0) for matching, shape ``(kept, C)``."""
        return cast("Tensor", self.projections[stage].weight).flatten(1)

    def project(self, pyramid: Sequence[Tensor], masks: Sequence[Tensor]) -> list[Tensor]:
        """Return unit vectors for matching, zero outside the fan; anchors are projected once and kept.

        Args:
            pyramid: Centered maps of stages 1 to 3, each ``(B, C, H, W)``.
            masks: Fan masks of the stages, each ``(B, 1, H, W)``.
        """
        # Back to the precision of the maps: with automatic mixed precision, convolutions give half of it.
        projected = (projection(maps).to(maps) for projection, maps in zip(self.projections, pyramid, strict=True))
        return [unit_vectors(maps) * (mask > 0) for maps, mask in zip(projected, masks, strict=True)]

    def forward(
        self,
        fixed: Sequence[Tensor],
        moving: Sequence[Tensor],
        fixed_masks: Sequence[Tensor],
        moving_masks: Sequence[Tensor],
    ) -> Alignment:
        """Return the alignment of projected pyramids; see :meth:`project`.

        Args:
            fixed: Projected query maps of stages 1 to 3, each ``(B, C, H, W)``.
            moving: Projected anchor maps, same shapes.
            fixed_masks: Fan masks of the query, each ``(B, 1, H, W)``.
            moving_masks: Fan masks of the anchor, each ``(B, 1, H, W)``.
        """
        transform, steps, coarse = identity_affine(fixed[0].shape[0], fixed[0]), [], None
        for stage in reversed(range(len(fixed) - self.config.levels, len(fixed))):
            warped, warped_mask = moving[stage], moving_masks[stage]
            if steps:
                warped, warped_mask = warp(warped, transform), (warp(warped_mask, transform) > 0.5).to(warped)
            matches = self._match(stage, fixed[stage], warped, warped_mask)
            coarse = coarse or matches
            step = self.solve(stage, matches, self._matched(stage, fixed_masks[stage]))
            transform = compose_affine(transform, step)  # Eq. (1)
            steps.append(transform)
        return Alignment(transform, tuple(steps), coarse)

    def _match(self, stage: int, fixed: Tensor, moving: Tensor, moving_mask: Tensor) -> Matches:
        sharpness = self.log_sharpness[stage].exp()
        if stage == len(self.projections) - 1:
            return match_globally(fixed, moving, moving_mask, sharpness)
        radius, stride = self.config.radii[stage], self.config.strides[stage]
        return match_locally(fixed, moving, moving_mask, sharpness, radius=radius, stride=stride)

    def _matched(self, stage: int, mask: Tensor) -> Tensor:
        """Return the fan of the cells that are matched, shape ``(B, M)``."""
        stride = (*self.config.strides, 1)[stage]
        return mask[:, :, ::stride, ::stride].flatten(1)

    def solve(self, stage: int, matches: Matches, mask: Tensor) -> Tensor:
        """Return the transform that one stage's matches speak for, shape ``(B, 2, 3)``.

        Args:
            stage: Counted from 0.
            matches: M locations and where each is found.
            mask: Fan of the query at these locations, shape ``(B, M)``.
        """
        evidence = matches.confidence * mask
        weights = evidence * self.weight(stage, evidence.sum(dim=1, keepdim=True), mask.sum(dim=1, keepdim=True))
        ridge = self.log_ridge[stage].exp()
        return fit_transform(matches.points, matches.matches, weights, mode=self.config.mode, ridge=ridge)

    def weight(self, stage: int, evidence: Tensor, area: Tensor) -> Tensor:
        """Return what one unit of evidence weighs in the fit, same shape.

        Weights sum to nearly one where there is evidence, and fade where hardly any match is confident.

        Args:
            stage: Counted from 0.
            evidence: Sum over the matches of a pair.
            area: Sum over the fan of the query at the same locations.
        """
        return self.gates[stage] / (evidence + LITTLE_EVIDENCE * area).clamp(min=1e-6)
