"""Plane posterior: the probability of each plane and of none; each plane is a Gaussian over a frame descriptor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striq.errors import StriqError
from striq.model.network import Pyramid

GRID, GRID_STAGES = 4, (0, 1)  # cells a side of the grid of local means, and the stages (from 0) that have one
NUM_DIRECTIONS = 96
FRAMES_PER_DIRECTION = 4  # fewer overfits: unseen frames then lie far from the training frames
OWN_SHARE, EVEN_SHARE = 0.7, 0.05  # weights of a plane's own covariance and of an isotropic one; shrinkage
NONE_DEVIATIONS = 1.5  # excess distance, in standard deviations, at which "none" has probability one half
SHARPNESS = 4.0
TEMPERATURE = 10.0  # divides log densities, because the descriptor's entries are not independent
NUM_FOLDS = 20


def frame_descriptor(frozen: Pyramid) -> Tensor:
    """Return a descriptor of appearance and rough layout that does not depend on gain, shape ``(B, N)``.

    Convention:
        - Mean and standard deviation of every channel inside the fan, and the means of stages 1 and 2 in 4x4 cells;
          each of these vectors has unit length.

    Args:
        frozen: Frozen features, not centered.
    """
    parts, grids = [], []
    for stage, (maps, mask) in enumerate(zip(frozen.maps, frozen.masks, strict=True)):
        inside = (mask > 0).to(maps)
        share = (inside / inside.sum(dim=(2, 3), keepdim=True).clamp(min=1)).flatten(1)[:, :, None]
        vectors = maps.flatten(2)
        mean = vectors @ share
        parts += [mean[:, :, 0], ((vectors - mean).square() @ share)[:, :, 0].sqrt()]
        if stage in GRID_STAGES:
            share = F.adaptive_avg_pool2d(inside, GRID).clamp(min=1e-6)
            grids.append((F.adaptive_avg_pool2d(maps * inside, GRID) / share).flatten(1))
    return torch.cat([F.normalize(part, dim=1) for part in [*parts, *grids]], dim=1)


class PlaneDensities(nn.Module):
    """A Gaussian per plane over principal components of the frame descriptor and the size of the remainder.

    Args:
        num_planes: Planes the model knows [P].
        channels: Of the three stages.
    """

    descriptor_mean: Tensor
    directions: Tensor
    residual_scale: Tensor
    mean: Tensor
    whitener: Tensor
    log_volume: Tensor
    typical: Tensor

    def __init__(self, num_planes: int, channels: Sequence[int]) -> None:
        super().__init__()
        placed = sum(channels[stage] for stage in GRID_STAGES)
        size, entries = 2 * sum(channels) + GRID**2 * placed, NUM_DIRECTIONS + 1
        self.register_buffer("descriptor_mean", torch.zeros(size))
        self.register_buffer("directions", torch.zeros(NUM_DIRECTIONS, size))
        self.register_buffer("residual_scale", torch.ones(()))
        self.register_buffer("mean", torch.zeros(num_planes, entries))
        self.register_buffer("whitener", torch.zeros(num_planes, entries, entries))
        self.register_buffer("log_volume", torch.zeros(num_planes))
        self.register_buffer("typical", torch.zeros(num_planes, 2))  # mean and standard deviation of log distances

    def forward(self, descriptor: Tensor) -> Tensor:
        """Return the probability of each plane and, last, of none of them, shape ``(B, P + 1)``.

        Args:
            descriptor: Of each frame, shape ``(B, N)``.
        """
        distance = self.distances(descriptor)
        density = self.log_densities(distance)
        nearest = density.argmax(dim=1)
        usual, spread = self.typical[nearest].unbind(dim=1)
        farther = distance.gather(1, nearest[:, None])[:, 0].clamp(min=1e-6).log() - usual
        none = torch.sigmoid(SHARPNESS * (farther / spread.clamp(min=1e-6) - NONE_DEVIATIONS))[:, None]
        return torch.cat([(1 - none) * (density / TEMPERATURE).softmax(dim=1), none], dim=1)

    def distances(self, descriptor: Tensor) -> Tensor:
        """Return the squared Mahalanobis distance of each frame to each plane, shape ``(B, P)``."""
        return _distance(self.entries(descriptor)[:, None], self.mean, self.whitener)

    def log_densities(self, distances: Tensor) -> Tensor:
        """Return the logarithm of each plane's density up to a common constant, shape ``(B, P)``."""
        return -distances / 2 - self.log_volume

    @torch.no_grad()
    def fit_directions(self, descriptors: Tensor) -> None:
        """Set the principal directions of descriptors; planes added later use the same ones.

        Args:
            descriptors: Of all training frames, shape ``(F, N)``.
        """
        self.descriptor_mean.copy_(descriptors.mean(dim=0))
        centered = (descriptors - self.descriptor_mean).double()
        count = max(1, min(NUM_DIRECTIONS, len(descriptors) // FRAMES_PER_DIRECTION))
        found = torch.linalg.svd(centered, full_matrices=False).Vh[:count]
        self.directions.zero_()
        self.directions[: len(found)] = found.float().half()  # half precision, in which they are stored
        self.residual_scale.copy_((centered @ found.T).std())

    @torch.no_grad()
    def fit(self, descriptors: Mapping[int, Tensor], groups: Mapping[int, Sequence[str]]) -> None:
        """Set the Gaussians of planes; those of other planes stay and contribute to the shared covariance.

        Args:
            descriptors: Of each plane's training frames, each ``(F, N)``.
            groups: Groups of the same frames; typical distances of unseen frames are measured by leaving groups out.
        """
        entries = {plane: self.entries(part).double() for plane, part in descriptors.items()}
        earlier = [w for p, w in enumerate(self.whitener.double()) if p not in entries and bool(w.any())]
        own = {plane: _covariance(part) for plane, part in entries.items()}
        shared = torch.stack([*own.values(), *(torch.linalg.inv(w.T @ w) for w in earlier)])
        for plane, part in entries.items():
            distances = []
            for left_out in _folds(groups[plane]):
                rest = _covariance(part[~left_out])
                of_all = shared.mean(dim=0) + (rest - own[plane]) / len(shared)
                whitener, _ = _whitener(_blend(rest, of_all))
                distances.append(_distance(part[left_out], part[~left_out].mean(dim=0), whitener))
            logarithm = torch.cat(distances).clamp(min=1e-6).log()
            self.typical[plane] = torch.stack([logarithm.mean(), logarithm.std()]).float()
            self.mean[plane] = part.mean(dim=0).float()
            whitener, volume = _whitener(_blend(own[plane], shared.mean(dim=0)))
            self.whitener[plane], self.log_volume[plane] = whitener.float(), volume.float()

    def entries(self, descriptor: Tensor) -> Tensor:
        """Return components along the directions and the log length of the remainder, shape ``(B, D + 1)``."""
        centered = descriptor - self.descriptor_mean
        along = centered @ self.directions.T
        left = (centered - along @ self.directions).norm(dim=1, keepdim=True)
        return torch.cat([along, self.residual_scale * left.clamp(min=1e-6).log()], dim=1)


def _distance(entries: Tensor, mean: Tensor, whitener: Tensor) -> Tensor:
    """Return squared Mahalanobis distances."""
    return (whitener @ (entries - mean)[..., None]).square().sum(dim=(-2, -1))


def _covariance(entries: Tensor) -> Tensor:
    centered = entries - entries.mean(dim=0)
    return centered.T @ centered / max(1, len(entries) - 1)


def _blend(own: Tensor, shared: Tensor) -> Tensor:
    even = shared.diagonal().mean() * torch.eye(len(own)).to(own)
    return (1 - EVEN_SHARE) * (OWN_SHARE * own + (1 - OWN_SHARE) * shared) + EVEN_SHARE * even


def _whitener(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Return W with W C W^T = 1, and the logarithm of the volume."""
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if failed:
        msg = "The frames do not differ from one another. Give different frames, of several patients."
        raise StriqError(msg)
    identity = torch.eye(len(covariance)).to(covariance)
    return torch.linalg.solve_triangular(factor, identity, upper=False), factor.diagonal().log().sum()


def _folds(groups: Sequence[str]) -> list[Tensor]:
    """Return masks of frames to leave out together: whole groups if there are several, else single frames."""
    names = list(dict.fromkeys(groups))
    labels = [names.index(group) for group in groups] if len(names) > 1 else list(range(len(groups)))
    number = min(NUM_FOLDS, max(labels) + 1)
    folds = torch.tensor([label * number // (max(labels) + 1) for label in labels])
    return [folds == fold for fold in range(number)]
