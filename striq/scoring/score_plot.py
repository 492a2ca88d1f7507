"""The plot of several results: of one cine over time, of several files one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes

from striq.errors import StriqError
from striq.scoring.curve_picture import SOFT_COLOR, draw_curve, label_curve
from striq.scoring.results import FrameResult
from striq.scoring.score_curve import ScoreCurve

SIZE_INCHES = (8.0, 3.4)


def plot_scores(results: Sequence[FrameResult], axes: Axes | None = None) -> Axes:
    """Draw quality, threshold and verdicts, and return the axes.

    Args:
        results: One per frame; a file that could not be opened has no place.
        axes: Axes to draw on; those of a new figure of pyplot by default.

    Raises:
        StriqError: If no frame has a score.
    """
    frames = [result for result in results if result.index is not None]
    num_accepted = sum(result.score.accepted for result in frames if result.score is not None)
    if all(result.score is None for result in frames):
        msg = f"There is nothing to plot: none of {len(results)} frames has a score."
        raise StriqError(msg)
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(figsize=SIZE_INCHES, layout="constrained")[1]
    sources = list(dict.fromkeys(result.source for result in frames))
    curve = ScoreCurve.of(frames if len(sources) == 1 else _numbered(frames))
    draw_curve(axes, curve)
    for number in _starts(frames)[1:]:
        axes.axvline(number - 0.5, color=SOFT_COLOR, linewidth=0.6)
    title = sources[0] if len(sources) == 1 else f"{len(sources)} files, one after another"
    label_curve(axes, curve, title, f"{num_accepted} of {len(frames)} frames accepted")
    return axes


def _numbered(results: Sequence[FrameResult]) -> list[FrameResult]:
    """Return results numbered through all files, without times."""
    return [
        replace(result, index=i, score=result.score and replace(result.score, index=i, time_s=None))
        for i, result in enumerate(results)
    ]


def _starts(results: Sequence[FrameResult]) -> list[int]:
    """Return the positions of the first frame of each file."""
    return [i for i, result in enumerate(results) if not i or result.source != results[i - 1].source]
