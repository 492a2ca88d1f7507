"""Independent references of sequential learning: loops over entries, Gram-Schmidt vector by vector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def conflict_mask(task_vector: FloatArray, num_planes: int) -> FloatArray:
    """Return 1 where the absolute change exceeds its (P - 1) / P quantile."""
    ordered = np.sort(np.abs(task_vector).ravel())
    place = (num_planes - 1) / num_planes * (len(ordered) - 1)
    below, share = int(place), place - int(place)
    limit = ordered[below] * (1 - share) + ordered[min(below + 1, len(ordered) - 1)] * share
    mask = np.zeros_like(task_vector)
    for place_2d in np.ndindex(*task_vector.shape):
        mask[place_2d] = float(abs(task_vector[place_2d]) > limit)
    return mask


def protected_gradient(gradient: FloatArray, task_vectors: FloatArray, num_planes: int) -> FloatArray:
    """Return M_uni * g_orth + (1 - M_uni) * g."""
    left = gradient.ravel().copy()
    directions: list[FloatArray] = []
    for vector in task_vectors:
        direction = vector.ravel().copy()
        for known in directions:
            direction -= known * (known @ direction)
        if np.linalg.norm(direction) > 1e-9:
            directions.append(direction / np.linalg.norm(direction))
    for direction in directions:
        left -= direction * (direction @ left)
    union = np.zeros_like(gradient)
    for vector in task_vectors:
        union = np.maximum(union, conflict_mask(vector, num_planes))
    return union * left.reshape(gradient.shape) + (1 - union) * gradient
