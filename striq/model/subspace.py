"""Orthogonal Knowledge Subspace (OKS): low-rank experts per plane, chosen per frame.

Paper, section 2.3. An expert of plane c is E_c = B_c A_c; a general expert is shared. The rows of A keep unit
length, so the orthogonality penalty separates subspaces instead of shrinking them, and an activation is the cosine
between a basis and a feature vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striq.config import SubspaceConfig
from striq.registration.vectors import per_length

Norm = Literal["l1", "frobenius"]


class KnowledgeSubspace(nn.Module):
    """Experts of all planes and the general expert, assembled per frame into the Synergy Expert.

    Args:
        num_planes: Planes the subspace is shared by [P].
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

        Each frame selects its own bases, so its result does not depend on the rest of the batch.

        Args:
            features: Centered stage-3 maps, shape ``(B, D, H, W)``.
            mask: Fan masks, shape ``(B, 1, H, W)``.
        """
        return self.blend(features, mask, *self.experts()) if self.config.enabled else features

    def experts(self) -> tuple[Tensor, Tensor]:
        """Return the bases of all planes, then the general ones, ``(N, D)``, and what each adds, ``(D, N)``."""
        rows = torch.cat([self.basis.flatten(0, 1), self.general_basis])
        return rows, torch.cat([self.up.transpose(0, 1).flatten(1), self.general_up], dim=1)

    def blend(self, features: Tensor, mask: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return what :meth:`forward` returns, from experts that may have been kept.

        Args:
            features: Centered stage-3 maps, shape ``(B, D, H, W)``.
            mask: Fan masks, shape ``(B, 1, H, W)``.
            rows: As :meth:`experts` returns them, shape ``(N, D)``.
            columns: Likewise, shape ``(D, N)``.
        """
        vectors = features.flatten(2)
        response = rows @ vectors
        chosen, general = self.select(*self._split(_strength(response, vectors, mask)))
        selected = torch.cat([chosen.flatten(1), general], dim=1)[:, :, None]
        scale = self.config.residual_scale / self.config.rank
        synergy = scale * columns @ (selected * response)  # Eq. (5)
        return features + synergy.unflatten(2, features.shape[2:])

    def select(self, activation: Tensor, general_activation: Tensor) -> tuple[Tensor, Tensor]:
        """Return which bases a frame uses, 1 or 0: the planes' [V_c], ``(B, P, R)``, and the general [W], ``(B, R)``.

        Args:
            activation: Activations of the planes' bases, shape ``(B, P, R)``.
            general_activation: Activations of the general bases, shape ``(B, R)``.
        """
        if not self.config.adaptive:
            return torch.ones_like(activation), torch.ones_like(general_activation)
        chosen = select_bases(activation, self.config.activation_threshold)
        return chosen, (general_activation > self.config.general_threshold).to(general_activation)

    def activations(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return how strongly a frame excites each basis: mean absolute cosine inside the fan.

        Args:
            features: Centered stage-3 maps, shape ``(B, D, H, W)``.
            mask: Fan masks, shape ``(B, 1, H, W)``.

        Returns:
            Activations of the planes' bases ``(B, P, R)`` and of the general bases ``(B, R)``.
        """
        vectors = features.flatten(2)
        return self._split(_strength(self.experts()[0] @ vectors, vectors, mask))

    def _split(self, activation: Tensor) -> tuple[Tensor, Tensor]:
        own = self.down.shape[0] * self.down.shape[1]
        return activation[:, :own].unflatten(1, self.down.shape[:2]), activation[:, own:]

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
        """Return L_orth in one of its forms, a scalar.

        Args:
            kind: One of ``striq.config.ORTHOGONALITIES``.
        """
        norm, parts = kind.split("_")
        both = [self.basis, self.columns] if parts == "ab" else [self.basis]
        return torch.stack([orthogonality_penalty(part, norm=cast("Norm", norm)) for part in both]).sum()

    @torch.no_grad()
    def start_from(self, principal: Sequence[Tensor], *, known: int = 0) -> None:
        """Start experts at the principal directions of their planes' features.

        Args:
            principal: Of each plane, orthonormal rows, shape ``(R, D)``.
            known: Experts before these, which stay as they are.
        """
        self.down[known:] = torch.stack(list(principal)).to(self.down)
        self._start = (self.down.detach().clone(), self.up.detach().clone())

    @torch.no_grad()
    def remember_tasks(self, *, known: int = 0) -> None:
        """Keep what training changed in the experts, in half precision: their task vectors.

        Args:
            known: Experts before the ones just trained, whose task vectors stay.
        """
        for task, now, start in zip((self.task_down, self.task_up), (self.down, self.up), self._start, strict=True):
            task[known:] = (now - start)[known:].half()


def select_bases(activation: Tensor, threshold: float) -> Tensor:
    """Return which bases of each plane a frame uses: 1 or 0, shape ``(B, P, R)``.

    Of the bases above the threshold, the kappa = min(their number, floor(R / P)) strongest; with more planes than
    rank, where floor(R / P) would leave nothing, the strongest one.

    Args:
        activation: Activations, shape ``(B, P, R)``.
        threshold: Smallest activation of a selected basis [phi].
    """
    num_planes, rank = activation.shape[1:]
    kappa = max(1, rank // num_planes)
    strongest = torch.zeros_like(activation).scatter(2, activation.topk(kappa, dim=2).indices, 1.0)
    return strongest * (activation > threshold)


def _strength(response: Tensor, vectors: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute cosine between bases and vectors inside the fan, shape ``(B, N)``.

    Args:
        response: Products of bases and vectors, shape ``(B, N, L)``.
        vectors: Shape ``(B, D, L)``.
        mask: Fan masks of L cells, shape ``(B, 1, H, W)``.
    """
    weight = mask.flatten(1) / mask.flatten(1).sum(dim=1, keepdim=True).clamp(min=1e-6)
    return (response.abs() * (weight * per_length(vectors)[:, 0])[:, None]).sum(dim=2)


def orthogonality_penalty(basis: Tensor, *, norm: Norm = "l1") -> Tensor:
    """Return how far the planes' subspaces overlap: mean norm of their cross products [L_orth].

    Args:
        basis: Unit rows of the planes' experts, shape ``(P, R, D)``.
        norm: Entrywise l1 norm, or Frobenius norm.
    """
    num_planes = len(basis)
    if num_planes < 2:
        return basis.new_zeros(())
    cross = torch.einsum("prd,qsd->pqrs", basis, basis)
    size = cross.abs().sum(dim=(2, 3)) if norm == "l1" else (cross.square().sum(dim=(2, 3)) + 1e-12).sqrt()
    return (size.sum() - size.diagonal().sum()) / (num_planes * (num_planes - 1))
