"""Ratings of frames by several raters; each table of scores keeps those of its cine."""

from __future__ import annotations

import json
import math
from itertools import combinations
from pathlib import Path

from .Agreement import Agreement, agreementOf
from .Judgement import ACCEPTED, REJECTED, verdictOf
from .Results import INPUT, RATINGS, Results, resultsTables

RATER_Q = "verdict by Q"
Frame = tuple[str, int]  # a table and a row of it


class Ratings:
    """View of the ratings of one cine.

    Args:
        results: Table of its scores.
    """

    def __init__(self, results: Results) -> None:
        self.results = results

    def _stored(self) -> dict[str, dict[str, str]]:
        return json.loads(self.results.node.GetAttribute(RATINGS) or "{}")

    @property
    def raters(self) -> list[str]:
        """Names of those who have rated frames."""
        return sorted(self._stored())

    def of(self, rater: str) -> dict[int, str]:
        """Return the ratings of a rater by frame: ``"accepted"`` or ``"rejected"``."""
        return {int(frame): rating for frame, rating in self._stored().get(rater, {}).items()}

    def rate(self, rater: str, frame: int, rating: str | None) -> None:
        """Keep the rating of a frame; ``None`` takes it back.

        Raises:
            ValueError: If the rater has no name, or the rating is unknown.
        """
        if not rater.strip() or rating not in (ACCEPTED, REJECTED, None):
            msg = f"Expected a name and {ACCEPTED!r}, {REJECTED!r} or None, got {rater!r} and {rating!r}."
            raise ValueError(msg)
        stored = self._stored()
        own = stored.setdefault(rater, {})
        if rating is None:
            own.pop(str(frame), None)
        else:
            own[str(frame)] = rating
        if not own:
            del stored[rater]
        self.results.node.SetAttribute(RATINGS, json.dumps(stored))

    def nextUnrated(self, rater: str, current: int) -> int | None:
        """Return the next frame without a rating after ``current``, from the start again after the last."""
        rated, rows = self.of(rater), range(len(self.results))
        return next((row for row in (*rows[current + 1 :], *rows[: current + 1]) if row not in rated), None)

    def isComplete(self, rater: str) -> bool:
        """Return whether a rater has rated every frame."""
        return len(self.of(rater)) >= len(self.results)


def ratedTables() -> list[Results]:
    """Return the tables of scores in the scene, of each cine the newest."""
    newest = {table.GetNodeReferenceID(INPUT) or table.GetID(): table for table in resultsTables()}
    return [Results(table) for table in newest.values()]


def ratersOf(tables: list[Results]) -> list[str]:
    """Return the names of all raters."""
    return sorted({rater for results in tables for rater in Ratings(results).raters})


def verdictsOfScore(results: Results) -> dict[int, str]:
    """Return the verdict of the score on each scored frame, whatever the user has decided."""
    judged = enumerate(zip(results.column("quality"), results.column("plane"), results.thresholds(), strict=True))
    return {row: verdictOf(*values) for row, values in judged if not math.isnan(values[0])}


def agreements(tables: list[Results]) -> list[tuple[str, str, Agreement]]:
    """Return the agreement of each pair of raters, and of each rater with the verdict by Q."""
    given: dict[str, dict[Frame, str]] = {}
    for results in tables:
        ratings, table = Ratings(results), results.node.GetID()
        for rater in ratings.raters:
            own = {(table, frame): rating for frame, rating in ratings.of(rater).items()}
            given.setdefault(rater, {}).update(own)
    byScore = {
        (results.node.GetID(), row): verdict
        for results in tables
        if Ratings(results).raters
        for row, verdict in verdictsOfScore(results).items()
    }
    raters = sorted(given)
    pairs = [(one, other, agreementOf(given[one], given[other])) for one, other in combinations(raters, 2)]
    return [*pairs, *((rater, RATER_Q, agreementOf(given[rater], byScore)) for rater in raters)]


def exportRatings(tables: list[Results], path: str | Path) -> tuple[Path, Path]:
    """Write one row per rating, and beside it the agreement of the raters, atomically, and return both paths.

    Raises:
        OSError: If they cannot be written.
    """
    from striq.atomic_files import write_csv

    rows: list[list[object]] = []
    for results in tables:
        ratings, byScore = Ratings(results), verdictsOfScore(results)
        times, qualities, planes = (results.column(name) for name in ("time_s", "quality", "plane"))
        for rater in ratings.raters:
            for frame, rating in sorted(ratings.of(rater).items()):
                score = (
                    ["", "", ""] if frame not in byScore else [_cell(qualities[frame]), planes[frame], byScore[frame]]
                )
                rows.append([results.node.GetName(), frame, _cell(times[frame]), rater, rating, *score])
    header = ("cine", "frame", "time_s", "rater", "rating", "quality", "plane", "verdict_of_score")
    path = Path(path)
    beside = path.with_name(f"{path.stem}_agreement{path.suffix or '.csv'}")
    pairs = [
        [one, other, found.items, _cell(found.observed), _cell(found.kappa)] for one, other, found in agreements(tables)
    ]
    agreement = write_csv(beside, ("rater", "other", "frames", "observed_agreement", "kappa"), pairs)
    return write_csv(path, header, rows), agreement


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"
