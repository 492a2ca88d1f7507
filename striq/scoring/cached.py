"""What the engines for CPU and CUDA share: a folded encoder and cached features of the anchors."""

from __future__ import annotations

from torch import Tensor, nn

from striq.model.network import NUM_STAGES, PlaneFeatures
from striq.scoring.derived_cache import DerivedCache
from striq.scoring.engine import Parts
from striq.scoring.folded_encoder import FoldedEncoder
from striq.scoring.reference import ReferenceEngine


class CachedEngine(ReferenceEngine):
    """The reference engine with values cached that do not change from frame to frame; it computes no gradients.

    Args:
        parts: What to compute with.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.cache = DerivedCache()

    def folded_encoder(self) -> FoldedEncoder:
        """Return the encoder with folded batch normalization, in the precisions of the engine."""
        encoder, precisions = self.model.encoder, self.parts.precisions
        return self.cache.get("encoder", [encoder], lambda: FoldedEncoder(encoder, precisions))

    def anchors(self, plane: int, *, specialized: bool, weighted: bool) -> PlaneFeatures:
        """Return the features of a plane's anchors, computed once."""
        compute = super().anchors
        key = "anchors", plane, specialized, weighted
        sources = self.plane_sources()
        return self.cache.get(key, sources, lambda: compute(plane, specialized=specialized, weighted=weighted))

    def plane_sources(self) -> list[nn.Module | Tensor]:
        """Return what the features of anchors and planes are derived from: all but the encoder."""
        model, mean_maps = self.model, [self.model.mean_map(stage) for stage in range(NUM_STAGES)]
        return [self.bank, self.negatives, model.aligner, model.subspace, *mean_maps]
