"""The reference engine: the method as it is written, on any device."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from striq.model.aligner import Alignment
from striq.model.network import PlaneFeatures, Pyramid, concatenate
from striq.quality.pair_moments import CLARITY_STAGE, location_weight, measure_pairs
from striq.quality.terms import compute_frame_terms, compute_pair_terms, pair_term_names
from striq.registration.affine import identity_affine
from striq.scoring.engine import PairMaps, PairTerms, Parts


class ReferenceEngine:
    """Registers frames to anchors pair by pair and compares them.

    Equation 1 is in ``striq.model.aligner``, equations 2 and 3 in ``striq.quality.consistency``.

    Args:
        parts: What to compute with.
    """

    name = "reference"

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.model, self.config = parts.model, parts.config
        self.bank, self.negatives = parts.bank, parts.negatives

    @staticmethod
    def supports(parts: Parts, device: torch.device) -> bool:
        """Return whether the engine computes these settings on a device: always."""
        del parts, device
        return True

    def embed(self, image: Tensor) -> Pyramid:
        """Return the frozen features of prepared frames ``(B, 1, H, W)``."""
        return self.model.embed(image)

    def frame_terms(self, image: Tensor) -> Tensor:
        """Return the terms of prepared frames by themselves, shape ``(B, F)``."""
        return compute_frame_terms(image, self.parts.term_names)

    def pair_terms(
        self, frozen: Pyramid, plane: int, *, registered: bool = True, specialized: bool = True, weighted: bool = True
    ) -> PairTerms:
        """Return the pair terms of frames with every anchor of a plane; see :class:`striq.scoring.engine.Engine`."""
        anchors = self.anchors(plane, specialized=specialized, weighted=weighted)
        count = len(anchors.compared)
        fixed = self.model.describe(frozen, plane, specialized=specialized).repeat_each(count)
        pairs = self.compare(fixed, anchors.tile(frozen.maps[0].shape[0]), registered=registered)
        return PairTerms(pairs.terms.unflatten(0, (-1, count)), pairs.transforms.unflatten(0, (-1, count)))

    def anchors(self, plane: int, *, specialized: bool, weighted: bool) -> PlaneFeatures:
        """Return the features of a plane's anchors and negative anchors, and their stability unless it is flat."""
        banks = [bank for bank in (self.bank, self.negatives) if bank.sources[plane]]
        frozen = concatenate([bank.features(plane) for bank in banks])
        features = self.model.describe(frozen, plane, specialized=specialized)
        if not weighted:
            return features
        stability = zip(*(bank.stability(plane) for bank in banks), strict=True)
        return replace(features, stability=tuple(torch.cat(maps) for maps in stability))

    def compare(self, fixed: PlaneFeatures, moving: PlaneFeatures, *, registered: bool = True) -> PairTerms:
        """Return the terms ``(N, T)`` and transforms ``(N, 2, 3)`` of N pairs.

        Args:
            fixed: Features of N frames.
            moving: Features of N anchors.
            registered: False leaves every transform at the identity.
        """
        alignment = self._align(fixed.matching, moving.matching) if registered else _identity(moving.matching)
        registration = self.model.warp_onto(alignment, fixed.compared, moving.compared, moving.stability)
        pairs = measure_pairs(registration, self.config.quality)
        names = pair_term_names(self.parts.term_names)
        return PairTerms(compute_pair_terms(pairs, self.config.quality, names), alignment.transform)

    def _align(self, fixed: Pyramid, moving: Pyramid) -> Alignment:
        return self.model.aligner(fixed.maps, moving.maps, fixed.masks, moving.masks)

    def pair_maps(self, frozen: Pyramid, plane: int, anchor: int, transform: Tensor) -> PairMaps:
        """Return the maps that explain a score; see :class:`striq.scoring.engine.Engine`."""
        fixed = self.model.specialize(frozen, plane)
        moving = self.model.specialize(self.bank.features(plane)[anchor], plane)
        stability = [maps[anchor : anchor + 1] for maps in self.bank.stability(plane)]
        registration = self.model.warp_onto(Alignment(transform, (transform,)), fixed, moving, stability)
        products = measure_pairs(registration, self.config.quality).stages[CLARITY_STAGE - 1]
        outside = fixed.masks[CLARITY_STAGE - 1][0, 0] <= 0
        difference = (1 - products.cosine()).view(outside.shape).masked_fill(outside, torch.nan)
        # Anchors agree where all of them are dark, as in a shadow; the length of the features leaves such places out.
        length = products.moving_square.sqrt().view(outside.shape)
        weight = location_weight(registration.stability[CLARITY_STAGE - 1][0, 0], CLARITY_STAGE) * length
        missing = difference / 2 * weight / weight.max().clamp(min=1e-9)
        return PairMaps(registration.warped[-1][0], difference, missing)


def _identity(anchors: Pyramid) -> Alignment:
    identity = identity_affine(anchors.maps[0].shape[0], anchors.maps[0])
    return Alignment(identity, (identity,))
