"""Training loss: recovery of a known transform, and consistency of registered frames of a plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striq.config import QualityConfig
from striq.model.aligner import Alignment, full_precision
from striq.model.network import Pyramid, StriqModel, concatenate
from striq.quality.pair_moments import measure_pairs
from striq.quality.terms import TERMS, loss_term_names, pair_term_names
from striq.registration.affine import compose_affine, identity_affine, pixel_grid, transform_points
from striq.registration.matching import Matches

ENDPOINT_WEIGHT = 5.0  # endpoint error is about 0.2 at the start, the terms of L_reg about 0.5 each
MATCH_WEIGHT = 0.5  # log-likelihood of the true location starts near log(256) = 5.5
GRID = 16  # points per side at which transforms are compared


@dataclass(frozen=True)
class PairBatch:
    """Frozen features of B frames, of a view of each, and of another frame of the same plane.

    Attributes:
        frames: The frames.
        views: A view of each, made by a known transform.
        partners: Another frame of the same plane.
        planes: Index of the plane, shape ``(B,)``.
        transforms: Known pull-backs from view to frame, shape ``(B, 2, 3)``.
    """

    frames: Pyramid
    views: Pyramid
    partners: Pyramid
    planes: Tensor
    transforms: Tensor


@dataclass(frozen=True)
class PairOutput:
    """Results of registering a batch.

    Attributes:
        known: Estimates of the known transforms after each level, each ``(B, 2, 3)``.
        matches: Coarsest matches of the same pairs.
        masks: Fan masks of views and frames at the coarsest level, each ``(B, 1, H, W)``.
        forward: Pull-backs from partners to frames, shape ``(B, 2, 3)``.
        backward: Pull-backs from frames to partners, shape ``(B, 2, 3)``.
        terms: Pair terms of both by name, each ``(2 B,)``.
        orthogonality: L_orth, a scalar.
    """

    known: tuple[Tensor, ...]
    matches: Matches
    masks: tuple[Tensor, Tensor]
    forward: Tensor
    backward: Tensor
    terms: dict[str, Tensor]
    orthogonality: Tensor


class RegistrationNetwork(nn.Module):
    """The model as a trainer calls it: one batch in, one output.

    Args:
        model: Model to train; its encoder stays frozen.
        quality: Settings of the terms, the same as those of the score.
        orthogonality: Form of L_orth, one of ``striq.config.ORTHOGONALITIES``.
    """

    def __init__(self, model: StriqModel, quality: QualityConfig, orthogonality: str = "l1_a") -> None:
        super().__init__()
        self.model = model
        self.quality = quality
        self.orthogonality = orthogonality

    def forward(self, batch: PairBatch) -> PairOutput:
        """Register the pairs of a batch; frames move onto their views and onto their partners and back."""
        frames, views, partners = batch.frames, batch.views, batch.partners
        fixed, moving = concatenate([views, partners, frames]), concatenate([frames, frames, partners])
        alignment = self.model.align(fixed, moving, batch.planes.repeat(3))
        a, b = (self.model.specialize(features, batch.planes) for features in (frames, partners))
        with full_precision(batch.transforms):
            return self._output(batch, alignment, concatenate([b, a]), concatenate([a, b]))

    def _output(self, batch: PairBatch, alignment: Alignment, fixed: Pyramid, moving: Pyramid) -> PairOutput:
        count, coarse = len(batch.frames), cast("Matches", alignment.coarse)
        across = self.model.warp_onto(alignment[count:], fixed, moving)
        pairs, names = measure_pairs(across, self.quality), pair_term_names(list(TERMS))
        return PairOutput(
            known=tuple(step[:count] for step in alignment.steps),
            matches=Matches(
                coarse.points, *(part[:count] for part in (coarse.matches, coarse.confidence, coarse.probability))
            ),
            masks=(batch.views.masks[-1], batch.frames.masks[-1]),
            forward=alignment.transform[count : 2 * count],
            backward=alignment.transform[2 * count :],
            terms={name: TERMS[name].compute(pairs, self.quality) for name in names},
            orthogonality=self.model.subspace.overlap(self.orthogonality),
        )


class RegistrationLoss(nn.Module):
    """L_total of the paper plus supervision by known transforms, which needs no label.

    Args:
        orthogonality_weight: Weight of L_orth [lambda].
        terms: Names of the pair terms in L_reg; ``None``: those that the table of terms marks for it.
        known_transforms: False leaves L_total alone (an ablation).
    """

    def __init__(
        self,
        orthogonality_weight: float = 0.5,
        terms: Sequence[str] | None = None,
        *,
        known_transforms: bool = True,
    ) -> None:
        super().__init__()
        self.orthogonality_weight = orthogonality_weight
        self.terms = loss_term_names() if terms is None else tuple(terms)
        if unknown := sorted(set(self.terms) - set(pair_term_names(list(TERMS)))):
            msg = f"'terms' must be some of {', '.join(pair_term_names(list(TERMS)))}, got {unknown[0]!r}."
            raise ValueError(msg)
        self.known_transforms = known_transforms

    def forward(self, output: PairOutput, known: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            output: Registrations.
            known: Known pull-backs from views to frames, shape ``(B, 2, 3)``.
        """
        with full_precision(known):
            return self._loss(output, known)

    def _loss(self, output: PairOutput, known: Tensor) -> Tensor:
        cycle = inverse_inconsistency(output.forward, output.backward).mean()
        consistency = sum((output.terms[term].mean() for term in self.terms), start=torch.zeros_like(cycle))
        registration = consistency + cycle  # L_reg, plus inverse consistency
        total = registration + self.orthogonality_weight * output.orthogonality  # L_total
        if not self.known_transforms:
            return total
        endpoint = torch.stack([endpoint_error(step, known).mean() for step in output.known]).mean()
        match = match_loss(output.matches, known, *output.masks)
        return total + ENDPOINT_WEIGHT * endpoint + MATCH_WEIGHT * match


def endpoint_error(estimated: Tensor, known: Tensor) -> Tensor:
    """Return the mean distance between the frame's points under two transforms, shape ``(B,)``.

    Convention:
        - In (x, y) coordinates: the frame is 2 wide, so one unit is half of its width.
    """
    points = pixel_grid(GRID, GRID, estimated)
    difference = transform_points(estimated, points) - transform_points(known, points)
    return (difference.square().sum(dim=2) + 1e-8).sqrt().mean(dim=1)


def match_loss(matches: Matches, known: Tensor, fixed_mask: Tensor, moving_mask: Tensor) -> Tensor:
    """Return the negative log-likelihood of the true locations among the coarsest matches, a scalar.

    Args:
        matches: Matches over all locations of the moving map.
        known: Known pull-backs, shape ``(B, 2, 3)``.
        fixed_mask: Fan of the fixed map, shape ``(B, 1, H, W)``.
        moving_mask: Fan of the moving map; locations whose true match lies outside it do not count.
    """
    height, width = moving_mask.shape[2:]
    true = transform_points(known, matches.points)
    maps = matches.probability.flatten(0, 1).view(-1, 1, height, width)
    likelihood = F.grid_sample(maps, true.reshape(-1, 1, 1, 2), align_corners=False).view(true.shape[:2])
    inside = F.grid_sample((moving_mask > 0).to(true), true[:, :, None, :], align_corners=False)[:, 0, :, 0] > 0.5
    counted = inside * (fixed_mask.flatten(1) > 0)
    return -(likelihood.clamp(min=1e-4).log() * counted).sum() / counted.sum().clamp(min=1)


def inverse_inconsistency(forward: Tensor, backward: Tensor) -> Tensor:
    """Return the squared Frobenius distance of forward followed by backward from the identity, shape ``(B,)``."""
    there_and_back = compose_affine(forward, backward)
    return (there_and_back - identity_affine(len(forward), forward)).square().sum(dim=(1, 2))
