"""The CPU engine: the reference method for one frame against many anchors, without repeated work."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from striq.model.encoder import fans_of
from striq.model.network import NUM_STAGES, Pyramid
from striq.quality.terms import compute_frame_terms, compute_pair_terms, pair_term_names
from striq.scoring.cpu.blur import FanBlur
from striq.scoring.cpu.frame_features import FrameFeatures, PlaneWeights
from striq.scoring.cpu.registration import AnchorRegistration, supports_settings
from striq.scoring.derived_cache import DerivedCache
from striq.scoring.engine import PairTerms, Parts
from striq.scoring.folded_encoder import FoldedEncoder
from striq.scoring.reference import ReferenceEngine


class CpuEngine(ReferenceEngine):
    """Keeps what does not change from frame to frame: folded weights, and anchors arranged for matching.

    It computes no gradients.

    Args:
        parts: What to compute with.
    """

    name = "cpu"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._cache, self._blur = DerivedCache(), FanBlur()

    @staticmethod
    def supports(parts: Parts, device: torch.device) -> bool:
        """Return whether the engine computes these settings on a device: most settings, on a CPU."""
        return device.type == "cpu" and supports_settings(parts.model.aligner, parts.config)

    @torch.no_grad()
    def embed(self, image: Tensor) -> Pyramid:
        """Return the frozen features of prepared frames ``(B, 1, H, W)``."""
        encoder = self.model.encoder
        precisions = self.parts.precisions
        folded = self._cache.get("encoder", [encoder], lambda: FoldedEncoder(encoder, precisions))
        maps = tuple(folded(image))
        return Pyramid(maps, fans_of(image, [m.shape[-2:] for m in maps]))

    @torch.no_grad()
    def frame_terms(self, image: Tensor) -> Tensor:
        """Return the terms of prepared frames by themselves, shape ``(B, F)``."""
        return compute_frame_terms(image, self.parts.term_names, self._blur)

    @torch.no_grad()
    def pair_terms(
        self, frozen: Pyramid, plane: int, *, registered: bool = True, specialized: bool = True
    ) -> PairTerms:
        """Return the pair terms of frames with every anchor of a plane; see :class:`striq.scoring.engine.Engine`."""
        weights, registration = self._arranged(plane, specialized=specialized)
        names, quality = pair_term_names(self.parts.term_names), self.config.quality
        pairs = [
            registration.register(FrameFeatures(weights, frozen[i]), registered=registered) for i in range(len(frozen))
        ]
        terms = torch.stack([compute_pair_terms(of_frame, quality, names) for of_frame in pairs])
        return PairTerms(terms, torch.stack([of_frame.steps[-1] for of_frame in pairs]))

    def _arranged(self, plane: int, *, specialized: bool) -> tuple[PlaneWeights, AnchorRegistration]:
        """Return a plane's weights and its anchors, arranged once for all frames."""
        model = self.model
        sources: list[nn.Module | Tensor] = [self.bank, model.aligner, model.subspace]
        sources += [model.mean_map(stage) for stage in range(NUM_STAGES)]
        return self._cache.get(
            (plane, specialized),
            sources,
            lambda: (
                PlaneWeights(model, plane, specialized=specialized),
                AnchorRegistration(self.anchors(plane, specialized=specialized), model.aligner, self.config.quality),
            ),
        )
