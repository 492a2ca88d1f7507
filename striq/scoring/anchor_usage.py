"""How a model uses its anchors: how often each is the nearest, and how well it agrees with the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch

from striq.scoring.scorer import StriqScorer
from striq.types import Frame


@torch.inference_mode()
def agreement_ranks(scorer: StriqScorer, plane: str) -> list[int]:
    """Return the rank of each anchor of a plane by its mean agreement with the others, 1 for the best.

    Agreement is the first pair term, by which a frame's nearest anchor is chosen, too.

    Args:
        scorer: Trained scorer.
        plane: Name of the plane.
    """
    index = scorer.plane_index(plane)
    features, sources = scorer.bank.features(index), scorer.bank.sources[index]
    means: list[float] = []
    for number, source in enumerate(sources):
        others = [i for i, of in enumerate(sources) if of.frame != source.frame]
        terms = scorer.engine.pair_terms(features[number], index).terms[0, others, 0]
        means.append(float(terms.mean()) if others else 0.0)
    order = sorted(range(len(means)), key=means.__getitem__)
    return [order.index(number) + 1 for number in range(len(means))]


def count_nearest(scorer: StriqScorer, plane: str, frames: Iterable[Frame]) -> list[int]:
    """Return for how many frames each anchor of a plane is the nearest.

    Args:
        scorer: Trained scorer.
        plane: Name of the plane, which the frames show.
        frames: Frames that are not anchors themselves: an anchor is nearest to itself.
    """
    nearest = Counter(score.anchor_number for score in scorer.iterate(frames, plane))
    return [nearest[number] for number in range(len(scorer.bank.sources[scorer.plane_index(plane)]))]
