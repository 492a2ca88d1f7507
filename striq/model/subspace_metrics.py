"""Principal angles, cross-Gram norms and effective ranks of the planes' subspaces."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FIGURES = ("principal_angle_min_deg", "cross_gram_max", "effective_rank_min")  # keys of summary()


def principal_angles(basis: Tensor) -> Tensor:
    """Return the principal angles between every pair of subspaces in degrees, ascending, shape ``(P, P, R)``.

    Args:
        basis: Rows of the planes' experts [A_c], shape ``(P, R, D)``.
    """
    orthonormal = torch.linalg.qr(basis.mT).Q.mT
    cosines = torch.linalg.svdvals(torch.einsum("prd,qsd->pqrs", orthonormal, orthonormal))
    return torch.rad2deg(cosines.clamp(max=1).acos())


def cross_gram_norms(basis: Tensor) -> Tensor:
    """Return the Frobenius norm of A_c A_c'^T for every pair of planes, shape ``(P, P)``.

    Args:
        basis: Unit rows of the planes' experts, shape ``(P, R, D)``.
    """
    return torch.einsum("prd,qsd->pqrs", basis, basis).square().sum(dim=(2, 3)).sqrt()


def effective_rank(basis: Tensor) -> Tensor:
    """Return the effective rank of each plane's rows, between 1 and R, shape ``(P,)``.

    It is the exponential of the entropy of the normalized singular values (Roy and Vetterli, EUSIPCO 2007).

    Args:
        basis: Rows of the planes' experts, shape ``(P, R, D)``.
    """
    share = F.normalize(torch.linalg.svdvals(basis), p=1, dim=1)
    return torch.exp(-(share * share.clamp(min=1e-12).log()).sum(dim=1))


def summary(basis: Tensor) -> dict[str, float]:
    """Return the smallest principal angle, the largest cross-Gram norm and the smallest effective rank.

    A model of one plane has the effective rank only.

    Args:
        basis: Unit rows of the planes' experts, shape ``(P, R, D)``.
    """
    figures = {"effective_rank_min": float(effective_rank(basis).min())}
    if len(basis) > 1:
        different_planes = ~torch.eye(len(basis), dtype=torch.bool, device=basis.device)
        figures["principal_angle_min_deg"] = float(principal_angles(basis)[different_planes].min())
        figures["cross_gram_max"] = float(cross_gram_norms(basis)[different_planes].max())
    return figures
