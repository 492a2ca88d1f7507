"""Verdicts on frames by their thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import slicer
from slicer.i18n import tr as _

from .Verdict import is_accepted

ACCEPTED, REJECTED, UNSCORED = "accepted", "rejected", "not scored"
BY_SCORE, BY_USER = "score", "user"


def judge(node: slicer.vtkMRMLTableNode, rows: Iterable[int], thresholds: Sequence[float]) -> None:
    """Write the verdicts on some frames, except those that the user has decided on.

    Args:
        node: Table of scores.
        rows: The frames.
        thresholds: Quality that each frame of the table is to exceed.
    """
    table = node.GetTable()
    columns = [table.GetColumnByName(name) for name in ("verdict", "decided_by", "quality", "plane")]
    verdicts, deciders, qualities, planes = columns
    for row in rows:
        decider = deciders.GetValue(row)
        if decider == BY_USER:
            continue
        quality = qualities.GetValue(row)
        isScored = not math.isnan(quality)
        verdict = verdictOf(quality, planes.GetValue(row), thresholds[row]) if isScored else UNSCORED
        if verdicts.GetValue(row) != verdict:
            verdicts.SetValue(row, verdict)
        if (decider == BY_SCORE) != isScored:
            deciders.SetValue(row, BY_SCORE if isScored else "")
    verdicts.Modified()
    deciders.Modified()


def verdictOf(quality: float, plane: str, threshold: float) -> str:
    """Return the verdict on a scored frame."""
    return ACCEPTED if is_accepted(quality, plane, threshold) else REJECTED


def verdictWord(verdict: str) -> str:
    """Return a verdict in the language of the application; the table keeps the English word."""
    return {ACCEPTED: _("accepted"), REJECTED: _("rejected"), UNSCORED: _("not scored")}.get(verdict, verdict)
