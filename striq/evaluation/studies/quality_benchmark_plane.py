"""The part of the quality benchmark's report on one plane: table of all scores, and Q as structure is lost."""

from __future__ import annotations

import numpy as np

from striq.evaluation.agreement.comparison import evaluate_scores
from striq.evaluation.agreement.frames import RatedFrame, ScoredFrames, as_rated_frames
from striq.evaluation.agreement.tables import EvaluationRow
from striq.evaluation.reports.study_report import ReportTable
from striq.evaluation.reports.text import interval_text, number_text
from striq.evaluation.statistics.bootstrap import BootstrapOptions
from striq.evaluation.studies.quality_benchmark import BenchmarkScores
from striq.evaluation.studies.quality_benchmark_decision import FloatArray
from striq.evaluation.studies.quality_benchmark_measures import MEASURES, changed_scores, of_plane
from striq.evaluation.studies.quality_benchmark_naming import BOTTOM, TOP, Naming, shares_beyond
from striq.evaluation.studies.robustness import KINDS, UNCHANGED, falls_throughout, nuisance_rows, quartiles
from striq.evaluation.studies.robustness_report import structure_facts, structure_table


def agreement_rows(scores: BenchmarkScores, options: BootstrapOptions) -> dict[tuple[str, str], EvaluationRow]:
    """Return the agreement with ratings of each plane and score, with intervals, where there are ratings."""
    frames: list[RatedFrame] = []
    for fold, part in enumerate(scores.held_out):
        frames += as_rated_frames([record for record in part if record.rating is not None], fold)
    if not frames:
        return {}
    rated = np.array([record.rating is not None for record in scores.records])
    unchanged = np.concatenate([fold.perturbed[:, KINDS.index(UNCHANGED)] for fold in scores.folds], axis=1)
    scored = ScoredFrames(dict(zip(scores.names, unchanged[:, rated], strict=True)))
    table = evaluate_scores(frames, scored, main=scores.names[0], bootstrap=options)
    return {(row.plane, row.score): row for row in table.rows}


class PlanePart:
    """What the report says of one plane.

    Args:
        scores: Scores of all folds.
        plane: Name of the plane.
        measured: Every measure of every score on it, shape ``(S, M)``.
        agreement: Agreement with ratings by plane and score.
    """

    def __init__(
        self,
        scores: BenchmarkScores,
        plane: str,
        measured: FloatArray,
        agreement: dict[tuple[str, str], EvaluationRow],
    ) -> None:
        self.scores, self.plane, self.measured = scores, plane, measured
        self.agreement = {name: agreement[plane, name] for name in scores.names if (plane, name) in agreement}
        self.changed = {name: of_plane(changed_scores(scores, name), plane) for name in scores.names}
        self.losses = list(self.changed[scores.names[0]].degraded)

    def tables(self, namings: list[Naming]) -> list[ReportTable]:
        """Return the table of all scores, and that of Q as structure is lost."""
        main = self.changed[self.scores.names[0]]
        rows = [self._row(number, name) for number, name in enumerate(self.scores.names)]
        columns = ["Score", "SRCC", "p", *list(MEASURES)[1:], "SRCC change", "losses that fall", "fall"]
        return [
            ReportTable(columns, rows, title=self.plane, remarks=[self._remark(namings)]),
            structure_table(main, [(self.plane, kind) for kind in self.losses]),
        ]

    def facts(self) -> dict[str, object]:
        """Return the same for programs."""
        above, below = shares_beyond(self.scores, self.plane)
        main = self.changed[self.scores.names[0]]
        return {
            "above": above,
            "below": below,
            "agreement": list(self.agreement.values()),
            "structure": [structure_facts(main, self.plane, kind) for kind in self.losses],
            "scores": {name: self._score_facts(number, name) for number, name in enumerate(self.scores.names)},
        }

    def _score_facts(self, number: int, name: str) -> dict[str, object]:
        measures = dict(zip(MEASURES, self.measured[number].tolist(), strict=True))
        change, falling, fall = self._changes(name)
        return {**measures, "srcc_change": change, "losses_that_fall": falling, "fall": fall}

    def _row(self, number: int, name: str) -> list[str]:
        change, falling, fall = self._changes(name)
        row, p_value = self.agreement.get(name), float("nan")
        if row is not None and number > 0:
            p_value = self.agreement[self.scores.names[0]].against[name].p_value
        values = self.measured[number].tolist()
        srcc = number_text(values[0]) if row is None else interval_text(values[0], row.intervals["srcc"])
        return [
            name,
            srcc,
            number_text(p_value, digits=4) if number else "",
            *map(number_text, values[1:]),
            number_text(change, sign="+"),
            f"{falling} of {len(self.losses)}",
            number_text(fall),
        ]

    def _changes(self, name: str) -> tuple[float, int, float]:
        """Return the largest change of the SRCC by a nuisance, how many losses fall throughout, and how far."""
        changed = self.changed[name]
        changes = [row.srcc_change for row in nuisance_rows(changed) if row.kind != UNCHANGED]
        curves = [quartiles(changed, self.plane, kind) for kind in self.losses]
        falls = [(median[0] - median[-1]) / max(upper[0] - lower[0], 1e-9) for lower, median, upper in curves]
        falling = sum(falls_throughout(changed, self.plane, kind) for kind in self.losses)
        return max(changes, key=abs), falling, float(np.mean(falls))

    def _remark(self, namings: list[Naming]) -> str:
        found = next(one for one in namings if one.shows == self.plane and not one.unseen)
        groups = len({record.group for record in self.scores.records if record.plane == self.plane})
        above, below = shares_beyond(self.scores, self.plane)
        return (
            f"{found.frames} held-out frames of {groups} groups: {100 * found.right:.1f} % named {self.plane}, "
            f"{100 * found.none:.1f} % none, {100 * found.other:.1f} % another plane. Q above {TOP}: "
            f"{100 * above:.1f} %, below {BOTTOM}: {100 * below:.1f} %. In brackets: bootstrap interval over groups. "
            f"p: that {self.scores.names[0]} has no higher SRCC. SRCC change: the largest by any nuisance. Losses that "
            "fall: those whose median falls at every step. Fall: of the median from no to full loss, in quartile "
            "ranges of the unchanged frames, mean over losses."
        )
