"""Frames as they are compared with the anchors of a plane: with an appearance nearer to that of the anchors."""

from __future__ import annotations

from striq.anchors.bank import AnchorBank
from striq.model.network import Pyramid
from striq.quality.appearance import Appearance, match_appearance
from striq.scoring.derived_cache import DerivedCache, is_traced


class AppearanceMatching:
    """Matches the appearance of frames to that of anchors, which is computed once for all frames.

    Args:
        bank: The anchors.
        share: As for :func:`striq.quality.appearance.match_appearance`.
    """

    def __init__(self, bank: AnchorBank, share: float) -> None:
        self.bank, self.share, self._derived = bank, share, DerivedCache()

    def __call__(self, frozen: Pyramid, plane: int) -> Pyramid:
        """Return frozen features as they are compared with the anchors of a plane.

        Args:
            frozen: Frozen features.
            plane: Index of the plane.
        """
        return match_appearance(frozen, self._reference(plane), self.share) if self.share else frozen

    def _reference(self, plane: int) -> Appearance:
        def compute() -> Appearance:
            return Appearance.of(self.bank.features(plane)).mean()

        return compute() if is_traced() else self._derived.get(plane, [self.bank], compute)
