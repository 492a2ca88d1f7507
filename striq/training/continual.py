"""Gradients for learning a plane after others, so that the general expert keeps what earlier planes need.

Paper, section 2.3. All planes share the general expert, so each new plane changes it. Entries in which an earlier
plane's own expert changed most may not move along any direction in which the earlier planes' experts changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from striq.model.subspace import KnowledgeSubspace

RELATIVE_RANK = 1e-6  # of the longest task vector; a shorter remainder adds no direction


def conflict_mask(task_vector: Tensor, num_planes: int) -> Tensor:
    """Return 1 where a plane's expert changed most and 0 elsewhere, same shape [M_c].

    Args:
        task_vector: Change of A or B by training on the plane [T_c].
        num_planes: Planes, including the one being learned [P].
    """
    change = task_vector.abs()
    return (change > change.flatten().quantile((num_planes - 1) / num_planes)).to(change)  # Eq. (4)


def orthonormal_rows(vectors: Tensor) -> Tensor:
    """Return an orthonormal basis of the span of the rows, by QR, shape ``(N', D)`` with N' at most N [K].

    Args:
        vectors: Rows, shape ``(N, D)``; dependent ones and zeros add nothing.
    """
    q, r = torch.linalg.qr(vectors.T)
    size = r.diagonal().abs()
    return q.T[size > RELATIVE_RANK * vectors.norm(dim=1).max().clamp(min=1e-12)]


def protected_gradient(gradient: Tensor, task_vectors: Tensor, num_planes: int) -> Tensor:
    """Return the gradient of the general expert without the part that would harm earlier planes, same shape.

    Args:
        gradient: Of A or B of the general expert [g].
        task_vectors: Of the earlier planes' A or B, each of the gradient's shape, shape ``(N, ...)`` [T_c].
        num_planes: Planes, including the one being learned [P].
    """
    basis = orthonormal_rows(task_vectors.flatten(1))
    flat = gradient.flatten()
    orthogonal = (flat - basis.T @ (basis @ flat)).view_as(gradient)  # [g_orth]
    union = torch.stack([conflict_mask(vector, num_planes) for vector in task_vectors]).amax(dim=0)  # [M_uni]
    return union * orthogonal + (1 - union) * gradient


@contextmanager
def learning_only(subspace: KnowledgeSubspace, known: int, *, protect: bool = True) -> Iterator[None]:
    """Train only the experts of new planes and, protected, the general expert inside the block.

    Args:
        subspace: Experts; the first ones belong to earlier planes.
        known: Number of earlier planes.
        protect: False lets new planes change the general expert freely (an ablation).
    """
    num_planes = len(subspace.down)

    def of_new(gradient: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(gradient[:known]), gradient[known:]])

    handles = [parameter.register_hook(of_new) for parameter in (subspace.down, subspace.up)]
    if protect and known:
        pairs = ((subspace.general_down, subspace.task_down), (subspace.general_up, subspace.task_up))
        handles += [
            general.register_hook(lambda g, tasks=tasks: protected_gradient(g, tasks[:known], num_planes))
            for general, tasks in pairs
        ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Compute no gradients for a module inside the block."""
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
