"""Agreement of two raters: Cohen's kappa."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Agreement:
    """How far two raters agree on the items that both have rated.

    Attributes:
        items: Number of items that both have rated.
        observed: Share on which they agree; NaN without items.
        kappa: Cohen's kappa; NaN without items, and if both gave one and the same rating throughout.
    """

    items: int
    observed: float
    kappa: float


def agreementOf(first: Mapping[Item, str], second: Mapping[Item, str]) -> Agreement:
    """Return the agreement of two raters.

    Kappa is ``(observed - expected) / (1 - expected)``, where ``expected`` is the agreement of two raters who draw each
    rating independently, each as often as the rater gave it (Cohen 1960).

    Args:
        first: Ratings of one rater by item.
        second: Those of the other.
    """
    shared = first.keys() & second.keys()
    items = len(shared)
    if not items:
        return Agreement(0, math.nan, math.nan)
    agreeing = sum(first[item] == second[item] for item in shared)
    counts = Counter(first[item] for item in shared), Counter(second[item] for item in shared)
    chance = sum(counts[0][rating] * counts[1][rating] for rating in counts[0])  # times items squared
    kappa = math.nan if chance == items**2 else (agreeing * items - chance) / (items**2 - chance)
    return Agreement(items, agreeing / items, kappa)
