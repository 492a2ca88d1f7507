"""Small networks on pooled patch features, shared by the baselines that learn a score."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from striq.baselines.patches import patch_features
from striq.baselines.protocol import PlaneFrames, inside_fan

HIDDEN = 64
ROUNDS = 200
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 1e-3


def pooled_patches(frames: PlaneFrames) -> Tensor:
    """Return mean and standard deviation of the patch features inside the fan, shape ``(N, 2 C)``."""
    features = patch_features(frames)
    inside = inside_fan(frames, features.shape[2:])[:, None].to(features)
    count = inside.sum(dim=(2, 3)).clamp(min=1)
    mean = (features * inside).sum(dim=(2, 3)) / count
    squares = ((features - mean[..., None, None]).square() * inside).sum(dim=(2, 3)) / count
    return torch.cat([mean, squares.clamp(min=1e-12).sqrt()], dim=1)


class Standardized(nn.Module):
    """A two-layer network on features that are standardized by the training frames.

    Args:
        known: Features of the training frames, shape ``(N, C)``.
        outputs: Number of outputs.
    """

    def __init__(self, known: Tensor, outputs: int) -> None:
        super().__init__()
        self.mean, self.spread = known.mean(dim=0), known.std(dim=0).clamp(min=1e-6)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(known.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))

    def forward(self, features: Tensor) -> Tensor:
        """Return the outputs, shape ``(N, outputs)``."""
        return self.layers((features - self.mean) / self.spread)


def minimize(network: nn.Module, loss: Callable[[], Tensor]) -> None:
    """Train a network.

    Args:
        network: Whose weights are changed.
        loss: Returns the loss, once for each step.
    """
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(ROUNDS):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
