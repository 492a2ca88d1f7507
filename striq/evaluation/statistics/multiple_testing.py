"""Correction of p values for the number of comparisons in a table."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p values corrected by Holm's step-down method, shape ``(n,)``.

    Rejecting where the corrected value is at most alpha keeps the chance of any false rejection at alpha or less,
    however the comparisons depend on one another (Holm, Scandinavian Journal of Statistics, 1979).

    Args:
        p_values: Shape ``(n,)``; NaN values stay NaN and do not count as comparisons.
    """
    values = np.asarray(p_values, dtype=float)
    corrected = np.full(values.shape, np.nan)
    order = np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())]  # NaN values are sorted last
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return corrected
