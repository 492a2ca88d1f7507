"""The terms of a score as bars in a picture."""

from __future__ import annotations

from matplotlib.axes import Axes

from striq.quality.terms import TERMS
from striq.scoring.curve_picture import CURVE_COLOR, SOFT_COLOR
from striq.types import FrameScore

BAR_COLOR, UNCOUNTED_COLOR, TRACK_COLOR = "#24507a", "#a9b4c0", "#e5e9ee"


def draw_terms(axes: Axes, score: FrameScore) -> None:
    """Draw the normalized terms from 0 to 1 with their weights; terms without weight are pale.

    Args:
        axes: Where to draw.
        score: Score of a frame.
    """
    names = [name for name in TERMS if name in score.terms]
    for place, name in enumerate(reversed(names)):
        value, weight = score.normalized_terms[name], score.weights[name]
        axes.barh(place, 1, height=0.42, color=TRACK_COLOR)
        axes.barh(place, value, height=0.42, color=BAR_COLOR if weight > 0 else UNCOUNTED_COLOR)
        color = CURVE_COLOR if weight > 0 else SOFT_COLOR
        axes.text(0, place + 0.26, TERMS[name].label, fontsize=8.5, color=color, va="bottom")
        figures = f"{value:.2f} × {100 * weight:.0f} %"
        axes.text(1, place + 0.26, figures, fontsize=8.5, color=color, va="bottom", ha="right")
    axes.set_title(f"Terms (1 is best) × weights = Q {score.quality:.2f}", fontsize=9, color=CURVE_COLOR)
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.6, len(names) - 0.1)
    axes.set_axis_off()
