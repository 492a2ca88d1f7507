"""A copy of a scorer with room for more planes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from striq.scoring.scorer import StriqScorer


def extend_scorer(scorer: StriqScorer, planes: Sequence[str]) -> StriqScorer:
    """Return a copy of a scorer with more planes, which have no anchors yet.

    Args:
        scorer: Trained scorer.
        planes: Names of the new planes.
    """
    extended = StriqScorer([*scorer.planes, *planes], scorer.config)
    for bank, of_scorer in ((extended.bank, scorer.bank), (extended.negatives, scorer.negatives)):
        bank.resize([*(len(sources) for sources in of_scorer.sources), *[0] * len(planes)])
        bank.sources[: len(scorer.planes)] = [list(sources) for sources in of_scorer.sources]
    extended.info = dict(scorer.info)
    larger = {name: value for name, value in extended.state_dict().items() if isinstance(value, torch.Tensor)}
    for name, value in scorer.state_dict().items():
        if isinstance(value, torch.Tensor):
            target = larger[name] if larger[name].shape == value.shape else larger[name][: len(value)]
            target.copy_(value)
    return extended
