"""Independent references of the knowledge subspace: loops over frames, planes and single bases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def unit_rows(matrix: FloatArray) -> FloatArray:
    """Return the matrix with rows of length one."""
    return matrix / np.linalg.norm(matrix, axis=-1, keepdims=True)


def chosen_bases(activation: FloatArray, threshold: float) -> list[list[int]]:
    """Return, per plane, the top-kappa bases above the threshold; activation is planes x rank."""
    num_planes, rank = activation.shape
    chosen = []
    for row in activation:
        above = [i for i in range(rank) if row[i] > threshold]
        kappa = min(len(above), max(1, rank // num_planes))
        chosen.append(sorted(above, key=lambda i: -row[i])[:kappa])
    return chosen


def synergy(x: FloatArray, down: FloatArray, up: FloatArray, chosen: list[list[int]], scale: float) -> FloatArray:
    """Return x plus the sum of the selected rank-one terms of the planes' experts."""
    result = x.copy()
    for plane, bases in enumerate(chosen):
        for i in bases:
            result = result + scale * up[plane][:, i] * float(down[plane][i] @ x)
    return result


def full_synergy(
    x: FloatArray,
    experts: tuple[FloatArray, FloatArray],
    general: tuple[FloatArray, FloatArray],
    chosen: tuple[list[list[int]], list[int]],
    scale: float,
) -> FloatArray:
    """Return Eq. 5 for one vector: x plus the selected rank-one terms of every expert, the general one last."""
    result = synergy(x, *experts, chosen[0], scale)
    down, up = general
    for i in chosen[1]:
        result = result + scale * np.outer(up[:, i], down[i]) @ x
    return result


def overlap(basis: FloatArray, *, entrywise: bool = True) -> float:
    """Return the mean l1 or Frobenius norm of A_c A_c'^T over ordered pairs of planes."""
    num_planes = len(basis)
    total = 0.0
    for c in range(num_planes):
        for other in range(num_planes):
            if c != other:
                cross = basis[c] @ basis[other].T
                total += float(np.abs(cross).sum() if entrywise else np.linalg.norm(cross))
    return total / (num_planes * (num_planes - 1))
