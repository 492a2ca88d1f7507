"""Plain formulas of rank agreement, written as their definitions read, for comparison with the vectorized code."""

from __future__ import annotations

import math
from collections.abc import Sequence

Numbers = Sequence[float]


def midranks(values: Numbers) -> list[float]:
    """Rank from 1; equal values share the mean of the ranks they take up."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2 for value in values
    ]


def pearson(x: Numbers, y: Numbers) -> float:
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return covariance / math.sqrt(sum((a - mean_x) ** 2 for a in x) * sum((b - mean_y) ** 2 for b in y))


def spearman(x: Numbers, y: Numbers) -> float:
    return pearson(midranks(x), midranks(y))


def kendall_tau_b(x: Numbers, y: Numbers) -> float:
    concordant = discordant = tied_x = tied_y = 0
    for i in range(len(x)):
        for j in range(i):
            product = (x[i] - x[j]) * (y[i] - y[j])
            concordant += product > 0
            discordant += product < 0
            tied_x += x[i] == x[j]
            tied_y += y[i] == y[j]
    pairs = len(x) * (len(x) - 1) / 2
    return (concordant - discordant) / math.sqrt((pairs - tied_x) * (pairs - tied_y))


def auc(positive_scores: Numbers, negative_scores: Numbers) -> float:
    won = [(p > n) + 0.5 * (p == n) for p in positive_scores for n in negative_scores]
    return sum(won) / len(won)


def f1(accepted: Sequence[bool], positive: Sequence[bool]) -> float:
    both = sum(a and p for a, p in zip(accepted, positive, strict=True))
    precision, recall = both / sum(accepted), both / sum(positive)
    return 2 * precision * recall / (precision + recall)
