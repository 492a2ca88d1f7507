"""``striq threshold``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striq.commands import given_frames, options
from striq.commands.terminal import check_writable, inform, say, say_report
from striq.errors import StriqError
from striq.shipped_models import is_shipped_name
from striq.verdict import NO_PLANE

if TYPE_CHECKING:
    from striq.evaluation.agreement.threshold_report import PlaneThresholds
    from striq.evaluation.statistics.thresholds import JudgedFrames
    from striq.reporting.read_scores import TableRow

ALL = "all planes"


def threshold(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="The CSV of 'striq score'.")],
    accept_rate: Annotated[
        float | None, typer.Option(min=0.001, max=1.0, help="Propose the threshold that accepts this share.")
    ] = None,
    ratings: Annotated[
        Path | None,
        typer.Option(help="CSV (path,rating[,frame]): propose the threshold of the highest balanced accuracy."),
    ] = None,
    at_least: Annotated[
        float | None,
        typer.Option(help="Lowest rating of a good frame.", show_default="the upper half of the range"),
    ] = None,
    plane: Annotated[str | None, typer.Option(help="Consider the frames of this plane alone.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for table, picture and JSON.")] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="The model.pt, bundle folder or 'light' that made the scores.", show_default="unchecked"),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Store the proposed threshold in --model.")] = False,
    note: options.NoteOption = "",
) -> None:
    """Show what each threshold accepts; propose one by accept rate or by ratings; --write stores it in the model."""
    _check_wishes(accept_rate, ratings, at_least, model, write=write)
    if out is not None:
        check_writable(out / "threshold.json")
    from striq.evaluation.agreement.threshold_report import threshold_report
    from striq.reporting.read_scores import read_scores

    rows, num_unscored = read_scores(scores)
    used = _check_model(model, rows, scores)
    rows = _of_plane(rows, plane, scores)
    judged, rule = _judge(rows, ratings, at_least)
    if accept_rate is not None:
        rule = f"accepts at least {100 * accept_rate:g} % of the frames, and no more than ties force"
    planes = _propose(rows, judged, accept_rate, rule, used)
    if num_unscored:
        note = given_frames.join_notes(note, f"Rows without a score, left out: {num_unscored}.")
    stated = f"The proposed threshold {rule}." if rule else ""
    if ratings is not None:
        stated += " Its figures are of the frames it was chosen on: expect lower ones on others."
    report = threshold_report(planes, rule=stated, note=note)
    say_report(report, out)
    if write and model is not None:
        _store(model, planes[-1], rule, scores)


def _check_wishes(
    accept_rate: float | None, ratings: Path | None, at_least: float | None, model: Path | None, *, write: bool
) -> None:
    if accept_rate is not None and ratings is not None:
        msg = "Give either --accept-rate or --ratings, not both: each proposes a threshold."
        raise StriqError(msg)
    if at_least is not None and ratings is None:
        msg = "--at-least says which ratings are good, and there are none. Give --ratings."
        raise StriqError(msg)
    if write and model is not None and is_shipped_name(model):
        msg = (
            f"--write changes no shipped model. Copy it first, 'striq info {model} --clean mine/model.pt', and give "
            "--model mine."
        )
        raise StriqError(msg)
    if write and (model is None or (accept_rate is None and ratings is None)):
        msg = "--write needs the model to change (--model), and a threshold to propose (--accept-rate or --ratings)."
        raise StriqError(msg)


def _check_model(model: Path | None, rows: Sequence[TableRow], scores: Path) -> float:
    """Return the threshold in use: the model's, or without a model that of the first row."""
    if model is None:
        return rows[0].threshold
    from striq.reporting.read_scores import check_scores_are_of
    from striq.scoring.loading import load_scorer

    scorer = load_scorer(model, "cpu")
    check_scores_are_of(scorer, rows, scores)
    return scorer.config.quality.threshold


def _of_plane(rows: list[TableRow], plane: str | None, scores: Path) -> list[TableRow]:
    known = list(dict.fromkeys(row.scored_plane for row in rows))
    if plane is not None and plane not in known:
        msg = f"{scores}: has no frames of plane {plane!r}; it has: {', '.join(known)}."
        raise StriqError(msg)
    return rows if plane is None else [row for row in rows if row.scored_plane == plane]


@dataclass(frozen=True)
class _Judgement:
    """Which rows are good and which are bad by their ratings."""

    good: list[bool]
    bad: list[bool]


def _judge(rows: Sequence[TableRow], table: Path | None, at_least: float | None) -> tuple[_Judgement, str]:
    """Return which rows are good or bad, and the rule that proposes a threshold by that."""
    if table is None:
        return _Judgement([False] * len(rows), [False] * len(rows)), ""
    from striq.evaluation.statistics.metrics import midpoint
    from striq.reporting.rated_rows import read_ratings

    found = read_ratings(table, rows)
    if found.num_unused:
        inform(f"{table}: Ratings that belong to no frame considered here, not used: {found.num_unused}.")
    known = [value for value in found.values if value is not None]
    if at_least is None:
        at_least = min((value for value in known if value > midpoint(known)), default=max(known))
    good = [value is not None and value >= at_least for value in found.values]
    bad = [value is not None and value < at_least for value in found.values]
    rule = (
        "has the highest balanced accuracy (mean of sensitivity and specificity) of all, for frames rated "
        f"{at_least:g} or more against frames rated lower"
    )
    return _Judgement(good, bad), rule


def _propose(
    rows: Sequence[TableRow], judged: _Judgement, accept_rate: float | None, rule: str, used: float
) -> list[PlaneThresholds]:
    """Return the thresholds of each plane and, last, of all planes together if there are several."""
    from striq.evaluation.agreement.threshold_report import PlaneThresholds

    names = list(dict.fromkeys(row.scored_plane for row in rows))
    proposals: list[PlaneThresholds] = []
    for name in [*names, *([ALL] if len(names) > 1 else [])]:
        members = [i for i, row in enumerate(rows) if name in (ALL, row.scored_plane)]
        frames = _frames(rows, judged, members)
        try:
            proposals.append(PlaneThresholds(name, frames, used, _choose(frames, accept_rate) if rule else None))
        except StriqError as error:
            proposals.append(PlaneThresholds(name, frames, used, reason=str(error)))
    return proposals


def _choose(frames: JudgedFrames, accept_rate: float | None) -> float:
    from striq.evaluation.statistics.thresholds import most_balanced_threshold, threshold_for_rate

    return most_balanced_threshold(frames) if accept_rate is None else threshold_for_rate(frames, accept_rate)


def _frames(rows: Sequence[TableRow], judged: _Judgement, members: Sequence[int]) -> JudgedFrames:
    import numpy as np

    from striq.evaluation.statistics.thresholds import JudgedFrames

    return JudgedFrames(
        np.array([rows[i].quality for i in members]),
        np.array([rows[i].plane != NO_PLANE for i in members]),
        np.array([judged.good[i] for i in members]),
        np.array([judged.bad[i] for i in members]),
    )


def _store(model: Path, proposal: PlaneThresholds, rule: str, scores: Path) -> None:
    """Store a proposed threshold in a model.

    Raises:
        StriqError: If none could be proposed.
    """
    from striq.reporting.identity import sha256_of
    from striq.scoring.checkpoint import find_checkpoint
    from striq.scoring.stored_threshold import store_threshold

    if proposal.proposed is None:
        msg = f"{model}: unchanged, as no threshold is proposed. {proposal.plane}: {proposal.reason}"
        raise StriqError(msg)
    file, count = find_checkpoint(model), len(proposal.frames.quality)
    origin = (
        f"{proposal.proposed:g}: {rule} ({proposal.plane}, {count} frames of {scores.name}, "
        f"SHA-256 {sha256_of(scores)})"
    )
    before = store_threshold(file, proposal.proposed, origin)
    say(f"Threshold {proposal.proposed:g} stored in {file}; it was {before:g}.")
