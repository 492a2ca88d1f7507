"""Rows of the ablation: each is a name and what it overrides in the default settings.

Rows about terms of the quality score follow from the table of terms. All other rows are in ``ablations/``, one file
per table of the report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import resources
from typing import Any

from striq.config import LOSS_TERMS, QualityConfig, StriqConfig, TrainingConfig
from striq.errors import StriqError

REFERENCE = "components/full"
COMPONENTS = "components"  # table of the rows about terms
PAPER_TERMS = ("similarity", "ncc", "smoothness")  # the paper weights these equally and has no others
Overrides = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Term:
    """What the rows need to know of a term of the quality score."""

    name: str
    label: str
    weight: float
    per_pair: bool
    in_loss: bool


TERMS: dict[str, Term] = {
    name: Term(name, label, weight, name != "contrast", name in LOSS_TERMS)
    for (name, label), weight in zip(
        {"similarity": "similarity", "ncc": "NCC", "smoothness": "smoothness", "contrast": "contrast"}.items(),
        QualityConfig().weights,
        strict=True,
    )
}


def ablation_rows() -> dict[str, Overrides]:
    """Return the overrides of every row by name, ``table/row``, the reference first."""
    rows: dict[str, Overrides] = {}
    folder = resources.files("striq.evaluation.studies") / "ablations"
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name):
        table = file.name.removesuffix(".json")
        found: dict[str, Overrides] = json.loads(file.read_text(encoding="utf-8"))
        if table == COMPONENTS:
            found |= term_rows()
        rows.update({f"{table}/{row}": overrides for row, overrides in found.items()})
    return {REFERENCE: rows.pop(REFERENCE), **rows}


def term_rows() -> dict[str, Overrides]:
    """Return one row per term left out of the loss, one per term left out of the score, and the paper's score."""
    in_loss = [term for term in TERMS.values() if term.in_loss]
    rows: dict[str, Overrides] = {
        f"loss without {term.label}": {
            "training": {"loss_terms": [other.name for other in in_loss if other is not term]}
        }
        for term in in_loss
    }
    for term in TERMS.values():
        if term.weight > 0:
            rows[f"score without {term.label}"] = {"quality": {"weights": _setting(weights_without(term.name))}}
    equal = {name: 1 / len(PAPER_TERMS) if name in PAPER_TERMS else 0.0 for name in TERMS}
    rows["score of equal thirds, all anchors"] = {"quality": {"weights": _setting(equal), "anchor_share": 1.0}}
    return rows


def weights_without(name: str) -> dict[str, float]:
    """Return the default weights of all terms with one term left out.

    Convention:
        - Its weight is shared equally among the weighted terms of its kind (per pair, or of the frame alone), or, if
          there are none, among all other weighted terms.
    """
    others = [term for term in TERMS.values() if term.weight > 0 and term.name != name]
    heirs = [term for term in others if term.per_pair == TERMS[name].per_pair] or others
    share = TERMS[name].weight / len(heirs)
    weights = {term.name: term.weight for term in TERMS.values()}
    weights |= {term.name: round(term.weight + share, 9) for term in heirs}
    return weights | {name: 0.0}


def choose_rows(wanted: Sequence[str]) -> list[str]:
    """Return the names of the rows asked for, the reference first.

    Args:
        wanted: Names of tables or of single rows; all rows if empty.

    Raises:
        StriqError: If a name is neither a table nor a row.
    """
    rows = list(ablation_rows())
    unknown = [name for name in wanted if not any(_is_of(row, name) for row in rows)]
    if unknown:
        tables = sorted({row.split("/")[0] for row in rows})
        msg = f"No ablation {unknown[0]!r}. Name a table ({', '.join(tables)}) or a row, such as {rows[1]!r}."
        raise StriqError(msg)
    return [row for row in rows if row == REFERENCE or not wanted or any(_is_of(row, name) for name in wanted)]


def apply_overrides(
    overrides: Overrides, config: StriqConfig, training: TrainingConfig
) -> tuple[StriqConfig, TrainingConfig]:
    """Return the settings with a row's changes.

    Raises:
        StriqError: If an override names a part or a setting that does not exist.
    """
    known = {part.name: {f.name for f in fields(getattr(config, part.name))} for part in fields(config)}
    known["training"] = {f.name for f in fields(training)}
    for part, changes in overrides.items():
        unknown = set(changes) - known.get(part, set())
        if unknown or part not in known:
            msg = f"No setting {sorted(unknown or {part})[0]!r} in {part!r}."
            raise StriqError(msg)
    values = config.to_dict()
    for part, changes in overrides.items():
        if part != "training":
            values[part] = {**values[part], **changes}
    changed = {k: tuple(v) if isinstance(v, list) else v for k, v in overrides.get("training", {}).items()}
    return StriqConfig.from_dict(values), replace(training, **changed)


def _setting(weights: Mapping[str, float]) -> list[float]:
    """Return weights by name in the form of ``QualityConfig.weights``."""
    return [weights[name] for name in TERMS]


def _is_of(row: str, name: str) -> bool:
    return row == name or row.split("/")[0] == name
