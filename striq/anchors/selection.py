"""Selection of reference anchors among a plane's unlabeled frames.

The paper selects the frames of smallest embedding variance. Taken literally, these are the most typical frames, not
the best ones; measured against real grades, the resulting score has the wrong sign. The default strategy therefore
first keeps the frames with the most structure and then selects the most typical of those.

PyTorch is imported inside the functions that need it, so that the command line can list the strategies quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    # Arguments: embeddings (N, D), structure (N,), number of anchors of at most N, source of random numbers.
    Selector = Callable[[Tensor, Tensor, int, torch.Generator], Tensor]

POOL_FACTOR = 1.25  # frames kept for their structure, per anchor; 1 to 1.5 gave similar results (docs/experiments.md)
MEDOID_ROUNDS = 50


def select_anchors(
    embeddings: Tensor, structure: Tensor, count: int, *, strategy: str, generator: torch.Generator
) -> Tensor:
    """Return the indices of the selected frames, shape ``(min(count, N),)``.

    Args:
        embeddings: One unit vector per frame, shape ``(N, D)``.
        structure: Amount of structure that each frame shows inside its fan, shape ``(N,)``; higher is more.
        count: Number of anchors [K].
        strategy: One of ``STRATEGIES``.
        generator: Source of random numbers.

    Raises:
        ValueError: If the strategy is unknown or there are no frames.
    """
    if strategy not in SELECTORS:
        msg = f"'strategy' must be one of {', '.join(STRATEGIES)}, got {strategy!r}."
        raise ValueError(msg)
    if len(embeddings) == 0:
        msg = "No frames to select anchors from. Give at least one frame of the plane."
        raise ValueError(msg)
    return SELECTORS[strategy](embeddings, structure, min(count, len(embeddings)), generator)


def embedding_variance(embeddings: Tensor) -> Tensor:
    """Return the squared distance of each frame to the centroid [sigma^2], shape ``(N,)``."""
    return (embeddings - embeddings.mean(dim=0)).square().sum(dim=1)


def _variance_spectrum(embeddings: Tensor, structure: Tensor, count: int, generator: torch.Generator) -> Tensor:
    pool = structure.argsort(descending=True, stable=True)[: round(POOL_FACTOR * count)]
    return pool[_centroid(embeddings[pool], structure, count, generator)]


def _centroid(embeddings: Tensor, structure: Tensor, count: int, generator: torch.Generator) -> Tensor:
    del structure, generator
    return embedding_variance(embeddings).argsort(stable=True)[:count]  # A_c, the anchors' equation


def _random(embeddings: Tensor, structure: Tensor, count: int, generator: torch.Generator) -> Tensor:
    import torch

    del structure
    return torch.randperm(len(embeddings), generator=generator)[:count]


def _k_center_greedy(embeddings: Tensor, structure: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return farthest_first(embeddings, int(_centroid(embeddings, structure, 1, generator)), count)


def farthest_first(points: Tensor, first: int, count: int) -> Tensor:
    """Return rows of points, each farthest from those before it; k-center greedy, shape ``(count,)``.

    Args:
        points: Shape ``(N, D)``.
        first: Row that comes first.
        count: Number of rows, at most N.
    """
    import torch

    chosen = [first]
    distance = torch.cdist(points, points[chosen]).squeeze(1)
    while len(chosen) < count:
        distance[chosen] = -1.0
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, torch.cdist(points, points[chosen[-1:]]).squeeze(1))
    return torch.tensor(chosen)


def _k_medoids(embeddings: Tensor, structure: Tensor, count: int, generator: torch.Generator) -> Tensor:
    import torch

    distance = torch.cdist(embeddings, embeddings)
    medoids = _k_center_greedy(embeddings, structure, count, generator)
    for _ in range(MEDOID_ROUNDS):
        cluster_of_frame = distance[:, medoids].argmin(dim=1)
        updated = medoids.clone()
        for cluster in range(count):
            members = (cluster_of_frame == cluster).nonzero().squeeze(1)
            if len(members):
                updated[cluster] = members[distance[members][:, members].sum(dim=1).argmin()]
        if torch.equal(updated, medoids):
            break
        medoids = updated
    return medoids


# The table of strategies; the first is the default of the command line.
SELECTORS: dict[str, Selector] = {
    "variance_spectrum": _variance_spectrum,
    "centroid": _centroid,
    "random": _random,
    "k_medoids": _k_medoids,
    "k_center_greedy": _k_center_greedy,
}
STRATEGIES: tuple[str, ...] = tuple(SELECTORS)
