"""Orthogonal Knowledge Subspace (OKS): low-rank experts per plane, selected per frame.

Paper, section 2.3. The expert of plane c is E_c = B_c A_c; one general expert is shared by all planes. The rows of A
are normalized to unit length. The orthogonality penalty can therefore not be reduced by shrinking them, and the
activation of a basis is the cosine between the basis and a feature vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striq.config import SubspaceConfig
from striq.registration.vectors import inverse_length

Norm = Literal["l1", "frobenius"]


class KnowledgeSubspace(nn.Module):
    """Experts of all planes and the general expert, combined per frame into the Synergy Expert.

    Args:
        num_planes: Number of planes [P].
        dim: Channels of the feature map [D].
        config: Rank, thresholds and scale.
    """

    task_down: Tensor
    task_up: Tensor

    def __init__(self, num_planes: int, dim: int, config: SubspaceConfig) -> None:
        super().__init__()
        self.config = config
        rank = config.rank
        generator = torch.Generator().manual_seed(0)
        self.down = nn.Parameter(torch.randn(num_planes, rank, dim, generator=generator) / dim**0.5)
        self.up = nn.Parameter(torch.zeros(num_planes, dim, rank))
        self.general_down = nn.Parameter(torch.randn(rank, dim, generator=generator) / dim**0.5)
        self.general_up = nn.Parameter(torch.zeros(dim, rank))
        self.register_buffer("task_down", torch.zeros(num_planes, rank, dim))  # [T_c] of A
        self.register_buffer("task_up", torch.zeros(num_planes, dim, rank))  # [T_c] of B

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return the features with the Synergy Expert's output added, shape ``(B, D, H, W)``.

        Bases are selected per frame, so a result does not depend on the rest of the batch.

        Args:
            features: Centered stage-3 maps, shape ``(B, D, H, W)``.
            mask: Fan masks, shape ``(B, 1, H, W)``.
        """
        return self.blend(features, mask, *self.experts()) if self.config.enabled else features

    def experts(self) -> tuple[Tensor, Tensor]:
        """Return all N bases, ``(N, D)``, and their output vectors, ``(D, N)``; the general expert comes last."""
        rows = torch.cat([self.basis.flatten(0, 1), self.general_basis])
        return rows, torch.cat([self.up.transpose(0, 1).flatten(1), self.general_up], dim=1)

    def blend(self, features: Tensor, mask: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the output of :meth:`forward`, given the result of :meth:`experts`, which callers may cache.

        Args:
            features: Centered stage-3 maps, shape ``(B, D, H, W)``.
            mask: Fan masks, shape ``(B, 1, H, W)``.
            rows: Bases, shape ``(N, D)``.
            columns: Output vectors, shape ``(D, N)``.
        """
        vectors = features.flatten(2)
        response = rows @ vectors
        of_planes, general = self.select(*self._split(_activation(response, vectors, mask)))
        selected = torch.cat([of_planes.flatten(1), general], dim=1)[:, :, None]
        scale = self.config.residual_scale / self.config.rank
        synergy = scale * columns @ (selected * response)  # Eq. (5)
        return features + synergy.unflatten(2, features.shape[2:])

    def select(self, activation: Tensor, general_activation: Tensor) -> tuple[Tensor, Tensor]:
        """Return which bases each frame uses, as 1 or 0.

        Args:
            activation: Activations of the planes' bases, shape ``(B, P, R)``.
            general_activation: Activations of the general bases, shape ``(B, R)``.

        Returns:
            Selection of the planes' bases [V_c], ``(B, P, R)``, and of the general bases [W], ``(B, R)``.
        """
        if not self.config.adaptive:
            return torch.ones_like(activation), torch.ones_like(general_activation)
        of_planes = select_bases(activation, self.config.activation_threshold)
        return of_planes, (general_activation > self.config.general_threshold).to(general_activation)

    def activations(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the activation of each basis: its mean absolute cosine with the feature vectors inside the fan.

        Args:
            features: Centered stage-3 maps, shape ``(B, D, H, W)``.
            mask: Fan masks, shape ``(B, 1, H, W)``.

        Returns:
            Activations of the planes' bases, ``(B, P, R)``, and of the general bases, ``(B, R)``.
        """
        vectors = features.flatten(2)
        return self._split(_activation(self.experts()[0] @ vectors, vectors, mask))

    def _split(self, activation: Tensor) -> tuple[Tensor, Tensor]:
        num_plane_bases = self.down.shape[0] * self.down.shape[1]
        return activation[:, :num_plane_bases].unflatten(1, self.down.shape[:2]), activation[:, num_plane_bases:]

    @property
    def basis(self) -> Tensor:
        """Unit rows of the planes' experts [A_c], shape ``(P, R, D)``."""
        return F.normalize(self.down, dim=2)

    @property
    def columns(self) -> Tensor:
        """Unit columns of the planes' experts [B_c], as rows, shape ``(P, R, D)``."""
        return F.normalize(self.up.transpose(1, 2), dim=2)

    @property
    def general_basis(self) -> Tensor:
        """Unit rows of the general expert [A_g], shape ``(R, D)``."""
        return F.normalize(self.general_down, dim=1)

    def overlap(self, kind: str) -> Tensor:
        """Return one variant of the orthogonality penalty L_orth, a scalar.

        Args:
            kind: One of ``striq.config.ORTHOGONALITIES``.
        """
        norm, parts = kind.split("_")
        both = [self.basis, self.columns] if parts == "ab" else [self.basis]
        return torch.stack([orthogonality_penalty(part, norm=cast("Norm", norm)) for part in both]).sum()

    @torch.no_grad()
    def start_from(self, principal: Sequence[Tensor], *, known: int = 0) -> None:
        """Initialize experts with the principal directions of their planes' features.

        Args:
            principal: Principal directions of each new plane as orthonormal rows, shape ``(R, D)``.
            known: Number of planes learned before, whose experts do not change.
        """
        self.down[known:] = torch.stack(list(principal)).to(self.down)
        self._start = (self.down.detach().clone(), self.up.detach().clone())

    @torch.no_grad()
    def store_task_vectors(self, *, known: int = 0) -> None:
        """Store the task vectors, i.e. how training changed the experts, rounded to half precision.

        Args:
            known: Number of planes learned before, whose task vectors do not change.
        """
        for task, now, start in zip((self.task_down, self.task_up), (self.down, self.up), self._start, strict=True):
            task[known:] = (now - start)[known:].half()


def select_bases(activation: Tensor, threshold: float) -> Tensor:
    """Return which bases of each plane a frame uses, as 1 or 0, shape ``(B, P, R)``.

    Of each plane, the max(1, floor(R / P)) strongest bases [kappa] are selected, provided they exceed the threshold.

    Args:
        activation: Activations, shape ``(B, P, R)``.
        threshold: Activation that a selected basis exceeds [phi].
    """
    num_planes, rank = activation.shape[1:]
    kappa = max(1, rank // num_planes)
    strongest = torch.zeros_like(activation).scatter(2, activation.topk(kappa, dim=2).indices, 1.0)
    return strongest * (activation > threshold)


def _activation(response: Tensor, vectors: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute cosine between bases and vectors inside the fan, shape ``(B, N)``.

    Args:
        response: Dot products of bases and vectors, shape ``(B, N, H * W)``.
        vectors: Feature vectors, shape ``(B, D, H * W)``.
        mask: Fan masks, shape ``(B, 1, H, W)``.
    """
    weight = mask.flatten(1) / mask.flatten(1).sum(dim=1, keepdim=True).clamp(min=1e-6)
    return (response.abs() * (weight * inverse_length(vectors)[:, 0])[:, None]).sum(dim=2)


def orthogonality_penalty(basis: Tensor, *, norm: Norm = "l1") -> Tensor:
    """Return the overlap of the planes' subspaces: the mean norm of their cross-Gram matrices [L_orth].

    Args:
        basis: Unit rows of the planes' experts, shape ``(P, R, D)``.
        norm: Entrywise l1 norm or Frobenius norm.
    """
    num_planes = len(basis)
    if num_planes < 2:
        return basis.new_zeros(())
    cross = torch.einsum("prd,qsd->pqrs", basis, basis)
    size = cross.abs().sum(dim=(2, 3)) if norm == "l1" else (cross.square().sum(dim=(2, 3)) + 1e-12).sqrt()
    return (size.sum() - size.diagonal().sum()) / (num_planes * (num_planes - 1))
