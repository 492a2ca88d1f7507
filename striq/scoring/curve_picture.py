"""The score of a cine over time, drawn with Matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes

from striq.scoring.score_curve import STATE_HEIGHTS, ScoreCurve, State

BEST_COLOR, WORST_COLOR, CURVE_COLOR, SOFT_COLOR = "#1a7f37", "#b42318", "#1f2937", "#6b7280"
STATE_COLORS: dict[State, str] = {"accepted": BEST_COLOR, "rejected": WORST_COLOR, "unscored": SOFT_COLOR}
STRIP_BOTTOM, STRIP_HEIGHT = -0.06, 0.035  # of the strip of verdicts, in units of Q


def draw_curve(axes: Axes, curve: ScoreCurve) -> None:
    """Draw the score over time, the threshold, and a strip of verdicts below."""
    marker = "." if curve.has_dots else ""
    for segment in curve.segments:
        places = [curve.positions[score.index] for score in segment]
        qualities = [score.quality for score in segment]
        axes.plot(places, qualities, color=CURVE_COLOR, linewidth=1.4, marker=marker)
    narrowest = (curve.limits[1] - curve.limits[0] or 1.0) / 500
    for run in curve.runs:
        width, height = max(run.end - run.start, narrowest), STRIP_HEIGHT * STATE_HEIGHTS[run.state]
        axes.bar(run.start, height, width, STRIP_BOTTOM, align="edge", color=STATE_COLORS[run.state])
    axes.axhline(curve.threshold, color=SOFT_COLOR, linewidth=1.0, linestyle="--")
    axes.annotate(
        f"threshold {curve.threshold:g}",
        (1.0, curve.threshold),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        horizontalalignment="right",
        fontsize=8,
        color=SOFT_COLOR,
    )


def label_curve(axes: Axes, curve: ScoreCurve, title: str, note: str) -> None:
    """Write the names of the axes, a title on the left and a note on the right."""
    axes.set_title(title, fontsize=10, loc="left", parse_math=False)
    axes.set_title(note, fontsize=9, loc="right", color=SOFT_COLOR)
    axes.set_xlabel(curve.axis_label, fontsize=9)
    axes.set_xticks(curve.ticks())
    axes.set_ylabel("Quality Q", fontsize=9)
    axes.set_ylim(-0.07, 1.04)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
