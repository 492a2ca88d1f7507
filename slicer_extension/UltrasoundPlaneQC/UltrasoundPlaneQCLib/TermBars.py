"""One bar per term of the quality score, for the terms that the scores have."""

from __future__ import annotations

import math
from collections.abc import Sequence

import qt
from slicer.i18n import tr as _

from .FrameResult import FrameResult
from .Terms import Term


class TermBars:
    """Rows of label and bar in a box of the panel.

    Args:
        box: Empty widget for the rows.
    """

    def __init__(self, box: qt.QWidget) -> None:
        self._layout = qt.QFormLayout(box)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._terms: list[Term] = []
        self._rows: list[tuple[qt.QLabel, qt.QProgressBar]] = []

    def show(self, terms: Sequence[Term], result: FrameResult | None) -> None:
        """Show the terms of a frame; all bars are empty without a score."""
        if list(terms) != self._terms:
            self._build(terms)
        normalized: dict[str, float] = {}
        weights: dict[str, float] = {}
        if result is not None and result.isScored:
            normalized, weights = result.normalized, result.weights
        for term, (_label, bar) in zip(self._terms, self._rows, strict=True):
            value, weight = normalized.get(term.name, math.nan), weights.get(term.name, math.nan)
            bar.setValue(0 if math.isnan(value) else round(100 * value))
            bar.setToolTip(_whatItShows(term, weight))

    def _build(self, terms: Sequence[Term]) -> None:
        for widget in (widget for row in self._rows for widget in row):
            widget.setParent(None)
            widget.deleteLater()
        self._terms, self._rows = list(terms), []
        for term in terms:
            label, bar = qt.QLabel(f"{term.label}:"), qt.QProgressBar()
            bar.setRange(0, 100)
            bar.setFormat("%p %")
            self._layout.addRow(label, bar)
            self._rows.append((label, bar))

    def values(self) -> dict[str, int]:
        """Return the percentage that each bar shows, by the name of its term."""
        return {term.name: bar.value for term, (_label, bar) in zip(self._terms, self._rows, strict=True)}

    def labels(self) -> list[str]:
        """Return the labels of the bars, from top to bottom."""
        return [label.text for label, _bar in self._rows]


def _whatItShows(term: Term, weight: float) -> str:
    parts = [term.description, _("100 % is the best seen in training.")]
    if not math.isnan(weight):
        parts.append(_("Weight in Q: {percent:.0f} %.").format(percent=100 * weight))
    return " ".join(part for part in parts if part)
