"""The quick way from frames to the terms of their pairs, on a CPU, where settings allow it."""

from __future__ import annotations

import torch
from torch import Tensor

from striq.anchors.bank import AnchorBank
from striq.config import StriqConfig
from striq.model.encoder import fan_masks
from striq.model.network import NUM_STAGES, PlaneFeatures, Pyramid, StriqModel
from striq.quality.frame_terms import contrast_term
from striq.scoring.cpu.blur import FanBlur
from striq.scoring.cpu.derived_cache import DerivedCache, is_traced
from striq.scoring.cpu.encoder import PRECISIONS, FoldedEncoder
from striq.scoring.cpu.frame_features import FrameFeatures, PlaneWeights
from striq.scoring.cpu.registration import AnchorRegistration, PairTerms, can_serve


class QuickPath:
    """Keeps what does not change from frame to frame: folded weights, anchors as planes see them.

    Args:
        model: Model to serve.
        bank: Its anchors.
        config: Settings of the scorer.
    """

    def __init__(self, model: StriqModel, bank: AnchorBank, config: StriqConfig) -> None:
        self.model, self.bank, self.config = model, bank, config
        self.precision = PRECISIONS["float32"]
        self.enabled = True
        self._kept, self._blur = DerivedCache(), FanBlur()

    def folds(self, device: torch.device) -> bool:
        """Return whether the quick way to features may be taken: nothing is trained, traced or exported."""
        return self.enabled and device.type in ("cpu", "cuda") and not torch.is_grad_enabled() and not is_traced()

    def serves(self, device: torch.device) -> bool:
        """Return whether the quick way to terms may be taken: on a CPU."""
        return device.type == "cpu" and self.folds(device) and can_serve(self.model.aligner, self.config)

    def embed(self, image: Tensor) -> Pyramid:
        """Return frozen features; as the model's.

        Args:
            image: Prepared frames, shape ``(B, 1, H, W)``.
        """
        encoder = self._kept.get(
            self.precision, [self.model.encoder], lambda: FoldedEncoder(self.model.encoder, self.precision)
        )
        maps = tuple(encoder(image))
        return Pyramid(maps, fan_masks(image, [m.shape[-2:] for m in maps]))

    def contrast(self, image: Tensor) -> Tensor:
        """Return the contrast term of prepared frames, shape ``(B,)``.

        Args:
            image: Prepared frames, shape ``(B, 1, H, W)``.
        """
        return contrast_term(image, self._blur)

    def anchors(self, plane: int, *, specialized: bool) -> PlaneFeatures:
        """Return a plane's anchors as it sees them."""
        if torch.is_grad_enabled() or is_traced():
            return self.model.describe(self.bank.features(plane), plane, specialized=specialized)
        key = "anchors", plane, specialized
        return self._kept.get(
            key,
            self._seen_by,
            lambda: self.model.describe(self.bank.features(plane), plane, specialized=specialized),
        )

    def pair_terms(self, frozen: Pyramid, plane: int, *, registered: bool, specialized: bool) -> list[PairTerms]:
        """Return the terms of each frame with each anchor of a plane.

        Args:
            frozen: Frozen features.
            plane: Index of the plane.
            registered: False leaves every transform at the identity.
            specialized: False leaves the knowledge subspace out.
        """
        view, registration = self._kept.get(
            ("registration", plane, specialized),
            self._seen_by,
            lambda: (
                PlaneWeights(self.model, plane, specialized=specialized),
                AnchorRegistration(self.anchors(plane, specialized=specialized), self.model.aligner, self.config),
            ),
        )
        frames = [FrameFeatures(view, frozen[i]) for i in range(len(frozen))]
        return [registration.pair_terms(frame, registered=registered) for frame in frames]

    @property
    def _seen_by(self) -> list[torch.nn.Module | Tensor]:
        """Return what anchors and planes are made of: all but the encoder."""
        model = self.model
        return [self.bank, model.aligner, model.subspace, *map(model.mean_map, range(NUM_STAGES))]
