"""Independent reference: each transform family by a generic numerical minimizer instead of a closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

FloatArray = NDArray[np.float64]
NUM_PARAMETERS = {
    "affine": 6,
    "translation": 2,
    "rotation": 1,
    "scale": 2,
    "shear": 2,
    "rotation_scale": 3,
    "translation_scale": 4,
    "rotation_translation": 3,
}


def family(mode: str, v: FloatArray) -> FloatArray:
    """Return the 2x3 matrix of one family, all-zero parameters being the identity."""
    matrix = np.eye(2, 3)
    if mode == "affine":
        return matrix + v.reshape(2, 3)
    if "translation" in mode:
        matrix[:, 2] = v[-2:]
    if "rotation" in mode:
        c, s = np.cos(v[0]), np.sin(v[0])
        matrix[:, :2] = [[c, -s], [s, c]]
    if "scale" in mode:
        start = 1 if "rotation" in mode else 0
        matrix[:, :2] = matrix[:, :2] @ np.diag(1 + v[start : start + 2])
    if mode == "shear":
        matrix[0, 1], matrix[1, 0] = v
    return matrix


def fit(mode: str, points: FloatArray, matches: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the family's member of smallest weighted squared error, found numerically."""

    def error(v: FloatArray) -> float:
        matrix = family(mode, v)
        residual = points @ matrix[:, :2].T + matrix[:, 2] - matches
        return float((weights * (residual**2).sum(axis=1)).sum())

    start = np.zeros(NUM_PARAMETERS[mode])
    return family(mode, minimize(error, start, method="BFGS", options={"gtol": 1e-10}).x)
