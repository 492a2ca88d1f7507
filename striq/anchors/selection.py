"""Choice of reference anchors among a plane's unlabeled frames.

The paper keeps the frames of smallest embedding variance. Read literally these are the most typical frames, not the
best; measured on real grades, the sign of the score then turns. The default therefore first keeps the frames that
are rich in structure, then takes the most consistent of those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

Strategy = Literal["variance_spectrum", "centroid", "random", "k_medoids", "k_center_greedy"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)
POOL_FACTOR = 1.25  # structure-rich frames kept per anchor wanted; 1 to 1.5 measured alike (docs/experiments.md)
MEDOID_ROUNDS = 50


def select_anchors(
    embeddings: Tensor, structure: Tensor, count: int, *, strategy: str, generator: torch.Generator
) -> Tensor:
    """Return the indices of the chosen frames, shape ``(count,)``, fewer if there are fewer frames.

    Args:
        embeddings: One unit vector per frame, shape ``(N, D)``.
        structure: How much structure a frame shows inside its fan, shape ``(N,)``; higher is richer.
        count: Anchors wanted [K].
        strategy: One of ``STRATEGIES``.
        generator: Source of the random choices.

    Raises:
        ValueError: If the strategy is unknown or there are no frames.
    """
    if strategy not in STRATEGIES:
        msg = f"'strategy' must be one of {', '.join(STRATEGIES)}, got {strategy!r}."
        raise ValueError(msg)
    if len(embeddings) == 0:
        msg = "No frames to choose anchors from. Give at least one frame of the plane."
        raise ValueError(msg)
    return _CHOOSE[strategy](embeddings, structure, min(count, len(embeddings)), generator)


def embedding_variance(embeddings: Tensor) -> Tensor:
    """Return each frame's squared distance to the centroid [sigma^2], shape ``(N,)``."""
    return (embeddings - embeddings.mean(dim=0)).square().sum(dim=1)


def _variance_spectrum(embeddings: Tensor, structure: Tensor, count: int, generator: torch.Generator) -> Tensor:
    pool = structure.argsort(descending=True, stable=True)[: round(POOL_FACTOR * count)]
    return pool[_centroid(embeddings[pool], structure, count, generator)]


def _centroid(embeddings: Tensor, structure: Tensor, count: int, generator: torch.Generator) -> Tensor:
    del structure, generator
    return embedding_variance(embeddings).argsort(stable=True)[:count]  # A_c, the anchors' equation


def _random(embeddings: Tensor, structure: Tensor, count: int, generator: torch.Generator) -> Tensor:
    del structure
    return torch.randperm(len(embeddings), generator=generator)[:count]


def _k_center_greedy(embeddings: Tensor, structure: Tensor, count: int, generator: torch.Generator) -> Tensor:
    chosen = _centroid(embeddings, structure, 1, generator).tolist()
    distance = torch.cdist(embeddings, embeddings[chosen]).squeeze(1)
    while len(chosen) < count:
        distance[chosen] = -1.0
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, torch.cdist(embeddings, embeddings[chosen[-1:]]).squeeze(1))
    return torch.tensor(chosen)


def _k_medoids(embeddings: Tensor, structure: Tensor, count: int, generator: torch.Generator) -> Tensor:
    distance = torch.cdist(embeddings, embeddings)
    medoids = _k_center_greedy(embeddings, structure, count, generator)
    for _ in range(MEDOID_ROUNDS):
        owner = distance[:, medoids].argmin(dim=1)
        moved = medoids.clone()
        for cluster in range(count):
            members = (owner == cluster).nonzero().squeeze(1)
            if len(members):
                moved[cluster] = members[distance[members][:, members].sum(dim=1).argmin()]
        if torch.equal(moved, medoids):
            break
        medoids = moved
    return medoids


_Choice = Callable[[Tensor, Tensor, int, torch.Generator], Tensor]
_CHOOSE: dict[str, _Choice] = {
    "variance_spectrum": _variance_spectrum,
    "centroid": _centroid,
    "random": _random,
    "k_medoids": _k_medoids,
    "k_center_greedy": _k_center_greedy,
}
