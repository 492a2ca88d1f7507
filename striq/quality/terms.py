"""The table of terms that the quality score is made of; columns, bars and ablations follow from it.

A new term is a function, a row here, and a test (docs/how-to/add-a-term.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from striq.config import QualityConfig
from striq.data.preprocessing import Blur
from striq.quality.consistency import clarity, ncc, right_plane, similarity, smoothness
from striq.quality.contrast import contrast
from striq.quality.pair_moments import RegisteredPairs


@dataclass(frozen=True)
class Term:
    """One term of the quality score.

    Convention:
        - Values are raw; lower is better.
        - A pair term is computed for a frame with each anchor, ``compute(pairs, config)``, shape ``(N,)``; any other
          term for a frame by itself, ``compute(image, blur)``, shape ``(B,)``.

    Attributes:
        name: Name in tables and files.
        label: Name shown to people.
        description: One sentence for people.
        compute: The formula.
        weight: Default weight in Q [w_m]; the weights of all terms sum to one.
        per_pair: Whether it is a pair term.
        in_loss: Whether the training loss includes it by default.
        agrees_with: Name of the term that this one must agree with over a plane's training frames to count in full.
        judges_plane: Whether negative anchors that are nearer than the anchors raise it (``striq.quality.negatives``).
    """

    name: str
    label: str
    description: str
    compute: Callable[..., Tensor]
    weight: float
    per_pair: bool = True
    in_loss: bool = False
    agrees_with: str | None = None
    judges_plane: bool = False


# Weights of the paper: 1/3 each of similarity, NCC and smoothness. These were chosen by agreement with ratings, by
# right and wrong planes, and by loss of structure, on several planes (docs/experiments.md, "Stable structure").
# Similarity and smoothness are reported but not counted: clarity and right plane say more than similarity, and a pose
# that registration has undone is no lack of quality.
_ROWS = (
    Term(
        "similarity",
        "Similarity",
        "How alike the features of the frame and of the registered reference are.",
        similarity,
        0.0,
        in_loss=True,
    ),
    Term(
        "ncc",
        "NCC",
        "How well the features of the frame and of the registered reference correlate.",
        ncc,
        0.1,
        in_loss=True,
    ),
    Term(
        "right_plane",
        "Right plane",
        "How well organs lie where they lie in the registered reference.",
        right_plane,
        0.35,
        judges_plane=True,
    ),
    Term(
        "clarity",
        "Clarity",
        "How clearly the frame shows the structure that all references show.",
        clarity,
        0.35,
    ),
    Term(
        "smoothness",
        "Smoothness",
        "How small the transform between the frame and the reference is.",
        smoothness,
        0.0,
        in_loss=True,
    ),
    Term(
        "contrast",
        "Contrast",
        "How much structure the frame itself shows.",
        contrast,
        0.2,
        per_pair=False,
        agrees_with="ncc",
    ),
)
TERMS: dict[str, Term] = {term.name: term for term in _ROWS}


def complete_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """Return a weight for every term of a scorer, pair terms first: the order of the columns of its tensors.

    Args:
        weights: Weights by name; the default weights of all terms if empty.

    Raises:
        ValueError: If a name is not in the table.
    """
    given = dict(weights) or {term.name: term.weight for term in TERMS.values()}
    unknown = sorted(given.keys() - TERMS.keys())
    if unknown:
        msg = f"'weights' names the unknown term {unknown[0]!r}; known are: {', '.join(TERMS)}."
        raise ValueError(msg)
    return {name: given[name] for name in sorted(given, key=lambda name: not TERMS[name].per_pair)}


def pair_term_names(names: Sequence[str]) -> list[str]:
    """Return the names of the pair terms among some terms."""
    return [name for name in names if TERMS[name].per_pair]


def loss_term_names() -> tuple[str, ...]:
    """Return the names of the terms that the training loss includes by default."""
    return tuple(term.name for term in TERMS.values() if term.in_loss)


def compute_pair_terms(pairs: RegisteredPairs, config: QualityConfig, names: Sequence[str]) -> Tensor:
    """Return pair terms side by side, shape ``(N, T)``.

    Args:
        pairs: N registered pairs.
        config: Settings of the terms.
        names: Names of the T terms.
    """
    return torch.stack([TERMS[name].compute(pairs, config) for name in names], dim=-1)


def compute_frame_terms(image: Tensor, names: Sequence[str], blur: Blur | None = None) -> Tensor:
    """Return the terms of frames by themselves, side by side, shape ``(B, F)``.

    Args:
        image: Prepared frames, shape ``(B, 1, H, W)``.
        names: Names of the terms of a scorer; pair terms among them are passed over.
        blur: As for :func:`striq.data.preprocessing.structure_richness`.
    """
    columns = [TERMS[name].compute(image, blur) for name in names if not TERMS[name].per_pair]
    return torch.stack(columns, dim=-1) if columns else image.new_zeros(image.shape[0], 0)


def counted_anchors(number: int, anchor_share: float) -> int:
    """Return how many of a number of anchors count for a frame; a share of them, rounded up."""
    return math.ceil(anchor_share * number)


def combine_terms(pair_terms: Tensor, frame_terms: Tensor, anchor_share: float, excess: Tensor | float = 0.0) -> Tensor:
    """Return all terms of each frame, shape ``(B, T + F)``.

    Convention:
        - A pair term is the mean over the anchors with which it is lowest, each term for itself; their number is
          rounded up.

    Args:
        pair_terms: Of each frame with each anchor, shape ``(B, K, T)``.
        frame_terms: Of each frame by itself, shape ``(B, F)``.
        anchor_share: Share of the anchors that count, more than 0, at most 1.
        excess: Added to the pair terms, from ``striq.quality.negatives``, shape ``(B, T)``.
    """
    count = counted_anchors(pair_terms.shape[1], anchor_share)
    nearest = pair_terms.topk(count, dim=1, largest=False).values
    return torch.cat([nearest.mean(dim=1) + excess, frame_terms], dim=1)


def describe_terms() -> list[dict[str, Any]]:
    """Return name, label and description of every term, in plain containers."""
    return [{"name": term.name, "label": term.label, "description": term.description} for term in TERMS.values()]
