"""How the planes' subspaces lie to one another: what orthogonality is meant to change."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FIGURES = ("principal_angle_min_deg", "cross_gram_max", "effective_rank_min")  # what summary() returns


def principal_angles(basis: Tensor) -> Tensor:
    """Return the principal angles between every two planes' subspaces, degrees, smallest first, shape ``(P, P, R)``.

    Args:
        basis: Rows of the planes' experts [A_c], shape ``(P, R, D)``.
    """
    orthonormal = torch.linalg.qr(basis.mT).Q.mT
    cosines = torch.linalg.svdvals(torch.einsum("prd,qsd->pqrs", orthonormal, orthonormal))
    return torch.rad2deg(cosines.clamp(max=1).acos())


def cross_gram_norms(basis: Tensor) -> Tensor:
    """Return the Frobenius norm of A_c A_c'^T for every two planes, shape ``(P, P)``.

    Args:
        basis: Unit rows of the planes' experts, shape ``(P, R, D)``.
    """
    return torch.einsum("prd,qsd->pqrs", basis, basis).square().sum(dim=(2, 3)).sqrt()


def effective_rank(basis: Tensor) -> Tensor:
    """Return how many directions each plane's rows really span, 1 to R, shape ``(P,)``.

    The exponential of the entropy of the singular values (Roy and Vetterli, EUSIPCO 2007).

    Args:
        basis: Rows of the planes' experts, shape ``(P, R, D)``.
    """
    share = F.normalize(torch.linalg.svdvals(basis), p=1, dim=1)
    return torch.exp(-(share * share.clamp(min=1e-12).log()).sum(dim=1))


def summary(basis: Tensor) -> dict[str, float]:
    """Return the figures worth watching: smallest angle, largest cross-Gram norm, smallest effective rank.

    Args:
        basis: Unit rows of the planes' experts, shape ``(P, R, D)``.
    """
    figures = {"effective_rank_min": float(effective_rank(basis).min())}
    if len(basis) > 1:
        apart = ~torch.eye(len(basis), dtype=torch.bool, device=basis.device)
        figures["principal_angle_min_deg"] = float(principal_angles(basis)[apart].min())
        figures["cross_gram_max"] = float(cross_gram_norms(basis)[apart].max())
    return figures
