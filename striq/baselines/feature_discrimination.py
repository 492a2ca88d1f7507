"""SFD-IQA's idea: a discriminator of features learns good frames from degraded ones, quality is what it says.

Exploring Semantic Feature Discrimination, CVPR 2025. Its discriminator works on features of CLIP, location by location.
Here, it learns the anchors from degraded training frames and from noise. The paper's learned text prompts are left out.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striq.baselines.clip_features import clip_features
from striq.baselines.degraded import degraded_copies
from striq.baselines.extras import CLIP
from striq.baselines.patches import patch_features
from striq.baselines.protocol import Baseline, PlaneFrames, as_scores, baseline, inside_fan
from striq.baselines.regression import Standardized, minimize
from striq.data.preprocessing import DARKEST

SEVERITIES = (1.0,)
DEGRADED_FRAMES = 20  # training frames that are degraded
BATCH = 512  # locations of each kind in a step


class _Discrimination(Baseline):
    """Mean output of a discriminator inside the fan."""

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Train the discriminator on the anchors and on degraded training frames."""
        chosen = torch.linspace(0, len(frames) - 1, min(DEGRADED_FRAMES, len(frames))).long()
        copies = [*degraded_copies(frames[chosen], SEVERITIES)[1:], _noise(frames[chosen])]
        bad = [self._locations(copy) for copy in copies]
        self._network = _train(self._locations(anchors), torch.cat(bad))

    @torch.no_grad()
    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames, shape ``(N,)``."""
        features = self._features(frames)
        inside = inside_fan(frames, features.shape[2:]).to(features)
        found = self._network(features.movedim(1, -1))[..., 0]
        return as_scores((found * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2)).clamp(min=1))

    @abstractmethod
    def _features(self, frames: PlaneFrames) -> Tensor:
        """Return features by location, shape ``(N, C, H, W)``."""

    def _locations(self, frames: PlaneFrames) -> Tensor:
        """Return the features of the locations inside the fan, shape ``(M, C)``."""
        features = self._features(frames)
        return features.movedim(1, -1)[inside_fan(frames, features.shape[2:])]


@baseline
class FeatureDiscrimination(_Discrimination):
    """The discriminator on features of the frozen encoder."""

    name: ClassVar[str] = "feature discrimination (frozen encoder)"

    def _features(self, frames: PlaneFrames) -> Tensor:
        return patch_features(frames)


@baseline
class SemanticFeatureDiscrimination(_Discrimination):
    """The discriminator on features of CLIP."""

    name: ClassVar[str] = "SFD-IQA (CLIP, without prompts)"
    needs: ClassVar[str] = CLIP

    def _features(self, frames: PlaneFrames) -> Tensor:
        return clip_features(frames)


def _noise(frames: PlaneFrames) -> PlaneFrames:
    """Return white noise in the same fans: frames without any structure."""
    drawn = torch.rand(frames.images.shape, generator=torch.Generator().manual_seed(0)).to(frames.images)
    return frames.with_images(torch.where(frames.images > 0, drawn.clamp(min=DARKEST), 0.0))


def _train(good: Tensor, bad: Tensor) -> Standardized:
    """Return a network whose output is high at good locations; both kinds weigh alike, each input is ``(M, C)``."""
    generator = torch.Generator().manual_seed(0)
    network = Standardized(torch.cat([good, bad]), 1)

    def loss() -> Tensor:
        draws = [part[torch.randint(len(part), (BATCH,), generator=generator)] for part in (good, bad)]
        first, second = (network(draw)[:, 0] for draw in draws)
        return F.softplus(-first).mean() + F.softplus(second).mean()

    minimize(network, loss)
    return network
