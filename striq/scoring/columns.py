"""Columns of the table of scores, and their values for one result; files and data frames are made from these."""

from __future__ import annotations

from striq.policies.policy import POLICY_COLUMNS
from striq.quality.terms import TERMS
from striq.scoring.results import FrameResult
from striq.types import FrameScore

Value = str | int | float | bool | None

SCORE_COLUMNS: dict[str, type] = {
    "source": str,
    "frame": int,
    "time_s": float,
    "plane": str,
    "plane_probability": float,
    "scored_plane": str,
    "quality": float,
    "uncertainty": float,
    "accepted": bool,
    "threshold": float,
}


def score_columns(*, policy: bool = False) -> dict[str, type]:
    """Return the type of each column by name, in the order of the table.

    Convention:
        - Each term has three columns: ``NAME`` (raw), ``NAME_normalized`` and ``NAME_weight``. The sum over the terms
          of ``NAME_weight`` times ``NAME_normalized`` is ``quality``.

    Args:
        policy: Whether rows name the policy that judges them.
    """
    names = [column for term in TERMS for column in term_columns(term)]
    policies = POLICY_COLUMNS if policy else ()
    return {**SCORE_COLUMNS, **dict.fromkeys(names, float), **dict.fromkeys(policies, str), "error": str}


def term_columns(name: str) -> tuple[str, str, str]:
    """Return the names of a term's columns: raw value, normalized value and weight."""
    return name, f"{name}_normalized", f"{name}_weight"


def score_values(result: FrameResult, *, policy: bool = False) -> dict[str, Value]:
    """Return the value of every column for one result; ``None`` where it has none.

    Args:
        result: The result.
        policy: As for :func:`score_columns`.
    """
    values: dict[str, Value] = dict.fromkeys(score_columns(policy=policy))
    if policy:
        values |= {name: text or None for name, text in result.policy.items()}
    values |= {"source": result.source, "frame": result.index, "error": result.error or None}
    return values if result.score is None else values | _values_of(result.score)


def _values_of(score: FrameScore) -> dict[str, Value]:
    values: dict[str, Value] = {
        "time_s": score.time_s,
        "plane": score.plane,
        "plane_probability": score.plane_probabilities[score.plane],
        "scored_plane": score.scored_plane,
        "quality": score.quality,
        "uncertainty": score.uncertainty,
        "accepted": score.accepted,
        "threshold": score.threshold,
    }
    for name, raw in score.terms.items():
        of_term = (raw, score.normalized_terms[name], score.weights[name])
        values |= dict(zip(term_columns(name), of_term, strict=True))
    return values
