"""Frames scored one at a time on a CUDA device: kernels recorded once and replayed, with no Python between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from striq.model.network import NUM_STAGES, Pyramid
from striq.quality.plane_scores import PlaneScores
from striq.scoring.cpu.derived_cache import DerivedCache
from striq.scoring.cpu.engine import QuickPath

WARM_UP = 3  # calls before one is recorded: what is kept between frames is made then, and libraries choose their ways
Seen = tuple[Pyramid, Tensor, Tensor]  # frozen features, contrast term, plane probabilities


class RecordedCall:
    """A function of tensors of fixed shapes, recorded as a CUDA graph.

    Convention:
        - What a call returns is written over by the next one.

    Args:
        function: Computes tensors from tensors on one device, without looking at their values on the CPU.
        examples: Tensors to record it with.
    """

    def __init__(self, function: Callable[..., Sequence[Tensor]], examples: Sequence[Tensor]) -> None:
        self.given = [example.clone() for example in examples]
        with torch.cuda.device(self.given[0].device):
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(WARM_UP):
                    function(*self.given)
            torch.cuda.current_stream().wait_stream(aside)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
                self.found = function(*self.given)

    def __call__(self, given: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return what the function returns of other tensors of the same shapes."""
        for own, other in zip(self.given, given, strict=True):
            own.copy_(other)
        self.graph.replay()
        return self.found


class Recording:
    """Looks at single frames and judges them as a scorer does, by recorded calls.

    Args:
        scorer: All that the calls are made from.
        quick: The scorer's quick way, whose precision counts.
        look: The scorer's way from prepared frames to what is seen of them.
        judge: The scorer's way from features, contrast and plane to a judgement.
    """

    def __init__(
        self,
        scorer: nn.Module,
        quick: QuickPath,
        look: Callable[[Tensor], Seen],
        judge: Callable[[Pyramid, Tensor, int], PlaneScores],
    ) -> None:
        self._scorer, self._quick, self._look, self._judge, self._kept = scorer, quick, look, judge, DerivedCache()

    def serves(self, image: Tensor) -> bool:
        """Return whether prepared frames may be scored by recorded calls: single ones, on a CUDA device."""
        return image.device.type == "cuda" and len(image) == 1 and not torch.is_grad_enabled()

    def encode(self, image: Tensor) -> Seen:
        """Return frozen features, contrast term and plane probabilities of a prepared frame ``(1, 1, H, W)``."""

        def look(image: Tensor) -> Sequence[Tensor]:
            frozen, contrast, posterior = self._look(image)
            return *frozen.maps, *frozen.masks, contrast, posterior

        *maps_and_masks, contrast, posterior = self._call("look", look, [image])
        return _pyramid(maps_and_masks), contrast, posterior

    def score_as_plane(self, frozen: Pyramid, contrast: Tensor, plane: int) -> PlaneScores:
        """Return how a frame registers to a plane's anchors.

        Args:
            frozen: Frozen features of one frame.
            contrast: Its contrast term, shape ``(1,)``.
            plane: Index of the plane.
        """

        def judge(*seen: Tensor) -> Sequence[Tensor]:
            judged = self._judge(_pyramid(seen[:-1]), seen[-1], plane)
            return judged.quality, judged.terms, judged.pair_terms, judged.transforms

        return PlaneScores(*self._call(plane, judge, [*frozen.maps, *frozen.masks, contrast]))

    def _call(
        self, name: str | int, function: Callable[..., Sequence[Tensor]], given: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        key = name, self._quick.precision, *(tensor.shape for tensor in given)
        return self._kept.get(key, [self._scorer], lambda: RecordedCall(function, given))(given)


def _pyramid(maps_and_masks: Sequence[Tensor]) -> Pyramid:
    return Pyramid(tuple(maps_and_masks[:NUM_STAGES]), tuple(maps_and_masks[NUM_STAGES:]))
