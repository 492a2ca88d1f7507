"""``striq info``: the content of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striq.commands.anchor_counts import in_words
from striq.commands.named_model import HiddenModelOption, ModelArgument, named_once
from striq.commands.options import JsonOption
from striq.commands.terminal import check_writable, say, say_json

if TYPE_CHECKING:
    from striq.scoring.scorer import StriqScorer

SUPPORT, CHANGES = "planes", "anchor_changes"  # parts of a model's ``info`` that are containers
CHANGED = {  # parts of a change, and what they are called
    "excluded": "left out",
    "used": "new",
    "excluded_negatives": "negative anchors left out",
    "negatives": "new negative anchors",
}


def info(
    model: ModelArgument = None,
    as_json: JsonOption = False,
    clean: Annotated[
        Path | None,
        typer.Option(help="Write the model here with hashes in place of the paths and groups of its anchors."),
    ] = None,
    named_model: HiddenModelOption = None,
) -> None:
    """Show the planes, anchors, weights and ranges of terms, settings, encoder and size of a model."""
    model = named_once(model, named_model)
    if clean is not None:
        check_writable(clean)
    from striq.anchors.provenance import without_names
    from striq.scoring.loading import load_scorer

    scorer = load_scorer(model, "cpu")
    if clean is not None:
        for bank in (scorer.bank, scorer.negatives):
            bank.sources = without_names(bank.sources)
        say(f"Written without names of files and groups: {scorer.save(clean)}")
        return
    facts = describe(scorer)
    if as_json:
        say_json(facts)
    else:
        say(_as_text(facts))


def describe(scorer: StriqScorer) -> dict[str, Any]:
    """Return the facts about a model as plain JSON values."""
    state = [value for value in scorer.state_dict().values() if hasattr(value, "element_size")]
    return {
        "planes": {name: _plane(scorer, index) for index, name in enumerate(scorer.planes)},
        "subspaces": _subspaces(scorer),
        "anchor_strategy": scorer.config.quality.anchor_strategy,
        "settings": scorer.config.to_dict(),
        "info": scorer.info,
        "parameters": sum(parameter.numel() for parameter in scorer.parameters()),
        "size_mb": round(sum(value.numel() * value.element_size() for value in state) / 1e6, 1),
    }


def _plane(scorer: StriqScorer, index: int) -> dict[str, Any]:
    names, weights = scorer.term_names, scorer.term_weights[index].tolist()
    spans = zip(scorer.range_low[index].tolist(), scorer.range_high[index].tolist(), strict=True)
    return {
        "anchors": len(scorer.bank.sources[index]),
        "negative_anchors": len(scorer.negatives.sources[index]),
        "weights": dict(zip(names, weights, strict=True)),
        "ranges": dict(zip(names, map(list, spans), strict=True)),
    }


def _subspaces(scorer: StriqScorer) -> dict[str, Any]:
    from striq.model.subspace_metrics import cross_gram_norms, effective_rank, principal_angles

    basis = scorer.model.subspace.basis.detach()
    ranks, grams, angles = effective_rank(basis), cross_gram_norms(basis), principal_angles(basis)
    names = list(enumerate(scorer.planes))
    return {
        "effective_rank": {name: round(float(ranks[c]), 2) for c, name in names},
        "between": {
            f"{name} and {other}": {
                "principal_angles_deg": [round(angle, 1) for angle in angles[c, d].tolist()],
                "cross_gram_norm": round(float(grams[c, d]), 3),
            }
            for c, name in names
            for d, other in names[c + 1 :]
        },
    }


def _as_text(facts: dict[str, Any]) -> str:
    lines = [f"Size: {facts['parameters']:,} parameters, {facts['size_mb']} MB with anchors"]
    support: dict[str, dict[str, Any]] = facts["info"].get(SUPPORT) or {}
    for name, value in facts["info"].items():
        if name not in (SUPPORT, CHANGES):
            lines += [f"{name.capitalize()}: {part}" for part in (value if isinstance(value, list) else [value])]
    lines += [f"Anchors changed: {_change_in_words(change)}" for change in facts["info"].get(CHANGES) or ()]
    lines += [f"Anchor strategy: {facts['anchor_strategy']}", "Planes:"]
    for plane, known in facts["planes"].items():
        counts = in_words(known["anchors"], known["negative_anchors"])
        lines.append(f"  {plane}: {counts}{_support_in_words(support[plane]) if plane in support else ''}")
        for term, (low, high) in known["ranges"].items():
            lines.append(f"    {term}: weight {known['weights'][term]:.2g}, range {low:.3g} to {high:.3g}")
    lines.append("Subspaces:")
    lines += [f"  {name}: effective rank {rank}" for name, rank in facts["subspaces"]["effective_rank"].items()]
    for pair, found in facts["subspaces"]["between"].items():
        smallest, norm = found["principal_angles_deg"][0], found["cross_gram_norm"]
        lines.append(f"  {pair}: smallest principal angle {smallest} degrees, cross-Gram norm {norm}")
    lines.append("Settings:")
    for part, values in facts["settings"].items():
        lines.append(f"  {part}: {_settings_in_words(values)}")
    return "\n".join(lines)


def _settings_in_words(values: dict[str, Any]) -> str:
    parts = [
        f"{name} ({_settings_in_words(value)})" if isinstance(value, dict) else f"{name} {value}"
        for name, value in values.items()
    ]
    return ", ".join(parts)


def _support_in_words(support: dict[str, Any]) -> str:
    """Return what a plane was calibrated on, see :class:`striq.training.plane_support.PlaneSupport`."""
    stability = support["ranking_stability"]
    text = f"; {support['frames']} frames of {support['groups']} groups"
    return text if stability is None else f"{text}, rank correlation between halves of the anchors {stability:.2f}"


def _change_in_words(change: dict[str, Any]) -> str:
    """Return what was changed in a plane, when, and in which model; ``--json`` tells all."""
    parts = [f"{label} {_anchors_in_words(change[key])}" for key, label in CHANGED.items() if change.get(key)]
    origin = f"of the model with sha256 {change['from_model_sha256'][:12]}, {change['when']}"
    return f"{change['plane']}: {', '.join(parts)}; {origin}"


def _anchors_in_words(anchors: list[dict[str, Any]]) -> str:
    """Return number, if there is one, and hash of the file of some anchors."""
    return ", ".join(
        f"{anchor['number']} ({anchor['path']})" if "number" in anchor else anchor["path"] for anchor in anchors
    )
