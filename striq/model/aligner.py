"""Latent Registration Aligner (LRA): registers anchor features to query features, coarse to fine.

Paper, section 2.2. The paper's localization network is replaced by a learned projection, a correlation volume,
soft-argmax matches and a weighted least-squares fit of the transform, which performed better. The anchor is the
moving image and the query is the fixed image. Before training, all gates are zero and every transform is the identity.
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

HALF_WEIGHT_CONFIDENCE = 0.02  # mean confidence at which the weights of a pair's matches sum to one half


@dataclass(frozen=True)
class Alignment:
    """Transforms that warp moving maps onto fixed maps.

    Attributes:
        transform: Final transform, a pull-back from fixed to moving, shape ``(B, 2, 3)``.
        steps: Composed transform after each level, coarse to fine, each ``(B, 2, 3)``.
        coarse: Matches of the coarsest level; ``None`` if there are none.
    """

    transform: Tensor
    steps: tuple[Tensor, ...]
    coarse: Matches | None = None

    def __getitem__(self, index: slice) -> Alignment:
        """Return the alignment of a slice of the pairs, without matches."""
        return Alignment(self.transform[index], tuple(step[index] for step in self.steps))


def full_precision(like: Tensor) -> torch.autocast:
    """Return a context that disables automatic mixed precision, which is too coarse for the least-squares fit.

    Args:
        like: Tensor that defines the device.
    """
    return torch.autocast(like.device.type, enabled=False)


class Aligner(nn.Module):
    """Estimates the transform between two feature pyramids.

    Convention:
        - ``gates`` holds one weight per level for its matches: 0 before training, then 1.

    Args:
        channels: Channels of stages 1, 2 and 3.
        config: Family of transforms, projections and search radii.
    """

    gates: Tensor

    def __init__(self, channels: Sequence[int], config: AlignerConfig) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.projections = nn.ModuleList(
                nn.Conv2d(full, reduced, 1, bias=False)
                for full, reduced in zip(channels, config.projections, strict=True)
            )
            for projection in self.projections:
                nn.init.orthogonal_(projection.weight)  # pyright: ignore[reportArgumentType]
        self.log_sharpness = nn.Parameter(torch.full((len(channels),), config.sharpness).log())
        self.log_ridge = nn.Parameter(torch.full((len(channels),), config.ridge).log())
        self.register_buffer("gates", torch.zeros(len(channels)))

    @torch.no_grad()
    def start_from(self, heads: Sequence[Tensor]) -> None:
        """Initialize the projections from pretrained heads; heads of a different shape are skipped.

        Args:
            heads: Projection of each stage, shape ``(D, C)``.
        """
        for projection, head in zip(self.projections, heads, strict=True):
            weight = cast("Tensor", projection.weight)
            if weight.shape[:2] == head.shape:
                weight.copy_(head[:, :, None, None] / head.norm() * len(head) ** 0.5)

    def projection(self, stage: int) -> Tensor:
        """Return the projection matrix of one stage, shape ``(D, C)``.

        Args:
            stage: Index of the stage, from 0.
        """
        return cast("Tensor", self.projections[stage].weight).flatten(1)

    def project(self, pyramid: Sequence[Tensor], masks: Sequence[Tensor]) -> list[Tensor]:
        """Return the projected maps as unit vectors for matching, zero outside the fan, each ``(B, D, H, W)``.

        Args:
            pyramid: Centered maps of stages 1 to 3, each ``(B, C, H, W)``.
            masks: Fan masks of the stages, each ``(B, 1, H, W)``.
        """
        # Automatic mixed precision returns half precision; convert back to the precision of the maps.
        projected = (projection(maps).to(maps) for projection, maps in zip(self.projections, pyramid, strict=True))
        return [unit_vectors(maps) * (mask > 0) for maps, mask in zip(projected, masks, strict=True)]

    def forward(
        self,
        fixed: Sequence[Tensor],
        moving: Sequence[Tensor],
        fixed_masks: Sequence[Tensor],
        moving_masks: Sequence[Tensor],
    ) -> Alignment:
        """Return the alignment of two projected pyramids; see :meth:`project`.

        Args:
            fixed: Projected query maps of stages 1 to 3, each ``(B, C, H, W)``.
            moving: Projected anchor maps, same shapes.
            fixed_masks: Fan masks of the query, each ``(B, 1, H, W)``.
            moving_masks: Fan masks of the anchor, each ``(B, 1, H, W)``.
        """
        transform = identity_affine(fixed[0].shape[0], fixed[0])
        steps: list[Tensor] = []
        coarse: Matches | None = None
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
        """Return the fan mask at the matched cells, shape ``(B, M)``."""
        stride = (*self.config.strides, 1)[stage]
        return mask[:, :, ::stride, ::stride].flatten(1)

    def solve(self, stage: int, matches: Matches, mask: Tensor) -> Tensor:
        """Return the transform fitted to the matches of one stage, shape ``(B, 2, 3)``.

        Args:
            stage: Index of the stage, from 0.
            matches: Matches of M locations.
            mask: Fan mask of the query at these locations, shape ``(B, M)``.
        """
        evidence = matches.confidence * mask
        weights = evidence * self.weight(stage, evidence.sum(dim=1, keepdim=True), mask.sum(dim=1, keepdim=True))
        ridge = self.log_ridge[stage].exp()
        return fit_transform(matches.points, matches.matches, weights, mode=self.config.mode, ridge=ridge)

    def weight(self, stage: int, evidence: Tensor, area: Tensor) -> Tensor:
        """Return the factor that turns confidences into weights of the fit, shape of ``evidence``.

        The weights of a pair sum to almost one if its matches are confident, and to less if hardly any match is.

        Args:
            stage: Index of the stage, from 0.
            evidence: Sum of the confidences of a pair's matches inside the fan.
            area: Sum of the query's fan mask at the matched locations.
        """
        return self.gates[stage] / (evidence + HALF_WEIGHT_CONFIDENCE * area).clamp(min=1e-6)
