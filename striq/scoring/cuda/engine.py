"""The CUDA engine: the reference method with cached anchors, and CUDA graphs for frames that come one at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor, nn

from striq.model.encoder import fan_masks
from striq.model.network import NUM_STAGES, Pyramid
from striq.scoring.cached import CachedEngine
from striq.scoring.cuda.recording import RecordedCall
from striq.scoring.engine import PairTerms, Parts

Tensors = Sequence[Tensor]


class CudaEngine(CachedEngine):
    """Computes as the reference engine on a CUDA device; a single frame replays recorded kernels.

    Args:
        parts: What to compute with.
    """

    name = "cuda"

    @staticmethod
    def supports(parts: Parts, device: torch.device) -> bool:
        """Return whether the engine computes these settings on a device: any settings, on a CUDA device."""
        del parts
        return device.type == "cuda"

    @torch.no_grad()
    def embed(self, image: Tensor) -> Pyramid:
        """Return the frozen features of prepared frames ``(B, 1, H, W)``."""
        folded = self.folded_encoder()

        def compute(image: Tensor) -> Tensors:
            maps = folded(image)
            return [*maps, *fan_masks(image, [m.shape[-2:] for m in maps])]

        return _pyramid(self._run("embed", [self.model.encoder], compute, [image]))

    @torch.no_grad()
    def frame_terms(self, image: Tensor) -> Tensor:
        """Return the terms of prepared frames by themselves, shape ``(B, F)``."""
        reference = super().frame_terms
        return self._run("frame terms", [], lambda image: [reference(image)], [image])[0]

    @torch.no_grad()
    def pair_terms(
        self, frozen: Pyramid, plane: int, *, registered: bool = True, specialized: bool = True, weighted: bool = True
    ) -> PairTerms:
        """Return the pair terms of frames with every anchor of a plane; see :class:`striq.scoring.engine.Engine`."""
        reference = super().pair_terms

        def compute(*frozen: Tensor) -> Tensors:
            pairs = reference(
                _pyramid(frozen), plane, registered=registered, specialized=specialized, weighted=weighted
            )
            return [pairs.terms, pairs.transforms]

        key = "pair terms", plane, registered, specialized, weighted
        return PairTerms(*self._run(key, self.plane_sources(), compute, [*frozen.maps, *frozen.masks]))

    def _run(
        self, key: Hashable, sources: Sequence[nn.Module | Tensor], compute: Callable[..., Tensors], given: Tensors
    ) -> Tensors:
        """Return what a function computes, by a recorded CUDA graph where there is one frame."""
        # Without TF32, which cuDNN uses by default: single precision then means the same as on a CPU.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            if given[0].shape[0] != 1 or not self.records(given[0].device):
                return compute(*given)
            shapes = tuple(tensor.shape for tensor in given)
            return self.cache.get((key, shapes), sources, lambda: RecordedCall(compute, given))(given)

    def records(self, device: torch.device) -> bool:
        """Return whether single frames on a device are computed by recorded graphs."""
        return device.type == "cuda" and not torch.cuda.is_current_stream_capturing()


def _pyramid(maps_and_masks: Tensors) -> Pyramid:
    return Pyramid(tuple(maps_and_masks[:NUM_STAGES]), tuple(maps_and_masks[NUM_STAGES:]))
