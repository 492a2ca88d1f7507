"""Rows of the ablation: each is a name and what it overrides in the default settings.

Rows about terms of the quality score follow from the table of terms. All other rows are in ``ablations/``, one file
per table of the report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from importlib import resources
from typing import Any

from striq.config import StriqConfig, TrainingConfig
from striq.errors import StriqError
from striq.quality.terms import TERMS, complete_weights, loss_term_names

REFERENCE = "components/full"
COMPONENTS = "components"  # table of the rows about terms
PAPER_TERMS = ("similarity", "ncc", "smoothness")  # the paper weights these equally and has no others
WEIGHTS = "weights"  # table of the rows about ratios of those terms
RATIOS = ((1, 0, 0), (1, 1, 0), (2, 1, 1), (1, 2, 1))
Overrides = Mapping[str, Mapping[str, Any]]


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
    rows.update({f"{WEIGHTS}/{row}": overrides for row, overrides in weight_rows().items()})
    return {REFERENCE: rows.pop(REFERENCE), **rows}


def term_rows() -> dict[str, Overrides]:
    """Return one row per term left out of the loss, one per term left out of the score, and the paper's score."""
    in_loss, weights = loss_term_names(), complete_weights({})
    rows: dict[str, Overrides] = {
        f"loss without {_label(name)}": {"training": {"loss_terms": [other for other in in_loss if other != name]}}
        for name in in_loss
    }
    for name, weight in weights.items():
        if weight > 0:
            rows[f"score without {_label(name)}"] = {"quality": {"weights": weights_without(name)}}
    rows["score of equal thirds, all anchors"] = _of_paper_terms((1, 1, 1))
    return rows


def weight_rows() -> dict[str, Overrides]:
    """Return one row per ratio of the paper's three terms that its Table 4 has beside equal weights."""
    return {":".join(map(str, ratio)): _of_paper_terms(ratio) for ratio in RATIOS}


def _of_paper_terms(ratio: Sequence[int]) -> Overrides:
    """Return the score of the paper's terms alone, over all anchors, in a ratio of weights."""
    shares = {name: share / sum(ratio) for name, share in zip(PAPER_TERMS, ratio, strict=True)}
    weights = {name: shares.get(name, 0.0) for name in complete_weights({})}
    return {"quality": {"weights": weights, "anchor_share": 1.0}}


def weights_without(name: str) -> dict[str, float]:
    """Return the default weights of all terms with one term left out.

    Convention:
        - Its weight is shared equally among the weighted terms of its kind (per pair, or of the frame alone), or, if
          there are none, among all other weighted terms.
    """
    weights = complete_weights({})
    others = [other for other, weight in weights.items() if weight > 0 and other != name]
    heirs = [other for other in others if TERMS[other].per_pair == TERMS[name].per_pair] or others
    share = weights[name] / len(heirs)
    return {**weights, **{heir: round(weights[heir] + share, 9) for heir in heirs}, name: 0.0}


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


def _label(name: str) -> str:
    """Return a term's label in the middle of a sentence; abbreviations keep their capitals."""
    label = TERMS[name].label
    return label if label.isupper() else label.lower()


def _is_of(row: str, name: str) -> bool:
    return row == name or row.split("/")[0] == name
