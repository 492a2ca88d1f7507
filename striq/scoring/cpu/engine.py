"""The CPU engine: the reference method for one frame against many anchors, without repeated work."""

from __future__ import annotations

import torch
from torch import Tensor

from striq.model.encoder import fan_masks
from striq.model.network import Pyramid
from striq.quality.terms import compute_frame_terms, compute_pair_terms, pair_term_names
from striq.scoring.cached import CachedEngine
from striq.scoring.cpu.blur import FanBlur
from striq.scoring.cpu.frame_features import FrameFeatures, PlaneWeights
from striq.scoring.cpu.registration import AnchorRegistration, supports_settings
from striq.scoring.engine import PairTerms, Parts


class CpuEngine(CachedEngine):
    """Registers one frame at a time to all anchors of a plane, stored in the order in which they are read.

    Args:
        parts: What to compute with.
    """

    name = "cpu"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._blur = FanBlur()

    @staticmethod
    def supports(parts: Parts, device: torch.device) -> bool:
        """Return whether the engine computes these settings on a device: most settings, on a CPU."""
        return device.type == "cpu" and supports_settings(parts.model.aligner, parts.config)

    @torch.no_grad()
    def embed(self, image: Tensor) -> Pyramid:
        """Return the frozen features of prepared frames ``(B, 1, H, W)``."""
        maps = tuple(self.folded_encoder()(image))
        return Pyramid(maps, fan_masks(image, [m.shape[-2:] for m in maps]))

    @torch.no_grad()
    def frame_terms(self, image: Tensor) -> Tensor:
        """Return the terms of prepared frames by themselves, shape ``(B, F)``."""
        return compute_frame_terms(image, self.parts.term_names, self._blur)

    @torch.no_grad()
    def pair_terms(
        self, frozen: Pyramid, plane: int, *, registered: bool = True, specialized: bool = True, weighted: bool = True
    ) -> PairTerms:
        """Return the pair terms of frames with every anchor of a plane; see :class:`striq.scoring.engine.Engine`."""
        weights, registration = self._stored(plane, specialized=specialized, weighted=weighted)
        names, quality = pair_term_names(self.parts.term_names), self.config.quality
        pairs = [
            registration.register(FrameFeatures(weights, frozen[i]), registered=registered) for i in range(len(frozen))
        ]
        terms = torch.stack([compute_pair_terms(of_frame, quality, names) for of_frame in pairs])
        return PairTerms(terms, torch.stack([of_frame.steps[-1] for of_frame in pairs]))

    def _stored(self, plane: int, *, specialized: bool, weighted: bool) -> tuple[PlaneWeights, AnchorRegistration]:
        """Return a plane's weights and its anchors, computed once for all frames."""
        model, quality = self.model, self.config.quality

        def compute() -> tuple[PlaneWeights, AnchorRegistration]:
            anchors = self.anchors(plane, specialized=specialized, weighted=weighted)
            weights = PlaneWeights(model, plane, specialized=specialized)
            return weights, AnchorRegistration(anchors, model.aligner, quality)

        return self.cache.get(("stored", plane, specialized, weighted), self.plane_sources(), compute)
