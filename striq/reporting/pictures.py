"""The picture of a cine: its score over time, with the best and the worst frame beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from striq.atomic_files import replacing
from striq.types import Frame, FrameScore

SIZE_INCHES, DPI = (11.0, 4.6), 120
BEST_COLOR, WORST_COLOR, CURVE_COLOR = "#1a7f37", "#b42318", "#1f2937"
MARKED_FRAMES = 150  # above, dots would merge into a band


def draw_scores(
    path: str | Path, title: str, scores: Sequence[FrameScore], read: Callable[[int], Frame], threshold: float
) -> Path:
    """Draw the score over time as PNG, PDF or SVG, atomically, and return the path.

    Args:
        path: Where to; the suffix names the format.
        title: Text above the curve.
        scores: Scores of one cine, in the order of its frames.
        read: Returns the frame of an index; asked for the best and the worst one only.
        threshold: Quality above which a frame is accepted.

    Raises:
        ValueError: If there are no scores.
    """
    if not scores:
        msg = f"{path}: no scores to draw. Give at least one."
        raise ValueError(msg)
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = GridSpec(2, 2, figure=figure, width_ratios=(2.7, 1.0))
    best = max(scores, key=lambda score: score.quality)
    worst = min(scores, key=lambda score: score.quality)
    curve = figure.add_subplot(grid[:, 0])
    _draw_curve(curve, scores, threshold)
    curve.set_title(_shortened(title), fontsize=10, loc="left", parse_math=False)
    for row, (name, score, color) in enumerate((("Best", best, BEST_COLOR), ("Worst", worst, WORST_COLOR))):
        curve.plot([_position(score, scores)], [score.quality], marker="o", markersize=9, color=color, linestyle="none")
        _draw_frame(figure.add_subplot(grid[row, 1]), read(score.index), name, score, color)
    target = Path(path)
    with replacing(target) as stream:
        canvas.print_figure(stream, format=target.suffix.removeprefix(".") or "png")
    return target


def _draw_curve(axes: Axes, scores: Sequence[FrameScore], threshold: float) -> None:
    positions = [_position(score, scores) for score in scores]
    marker = "." if len(scores) <= MARKED_FRAMES else ""
    axes.plot(positions, [score.quality for score in scores], color=CURVE_COLOR, linewidth=1.4, marker=marker)
    for accepted, color, sign in ((True, BEST_COLOR, "|"), (False, WORST_COLOR, "x")):
        chosen = [place for place, score in zip(positions, scores, strict=True) if score.accepted == accepted]
        axes.plot(chosen, [-0.035] * len(chosen), marker=sign, markersize=5, color=color, linestyle="none")
    axes.axhline(threshold, color="#6b7280", linewidth=1.0, linestyle="--")
    axes.annotate(
        f"threshold {threshold:g}",
        (1.0, threshold),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        horizontalalignment="right",
        fontsize=8,
        color="#6b7280",
    )
    accepted = sum(score.accepted for score in scores)
    axes.set_xlabel("Time in seconds" if _has_times(scores) else "Frame", fontsize=9)
    axes.set_ylabel("Quality Q", fontsize=9)
    axes.set_ylim(-0.07, 1.04)
    axes.set_title(f"{accepted} of {len(scores)} accepted ( | ), others × ", fontsize=9, loc="right", color="#6b7280")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_frame(axes: Axes, frame: Frame, name: str, score: FrameScore, color: str) -> None:
    aspect = 1.0 if frame.spacing_mm is None else frame.spacing_mm[0] / frame.spacing_mm[1]
    axes.imshow(frame.pixels, cmap="gray", vmin=0.0, vmax=1.0, aspect=aspect)
    title = f"{name}: frame {score.index}, Q {score.quality:.2f}, {score.plane}"
    axes.set_title(title, fontsize=9, color=color, parse_math=False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_edgecolor(color)


def _has_times(scores: Sequence[FrameScore]) -> bool:
    return all(score.time_s is not None for score in scores)


def _position(score: FrameScore, scores: Sequence[FrameScore]) -> float:
    return float(score.time_s) if score.time_s is not None and _has_times(scores) else float(score.index)


def _shortened(title: str, length: int = 70) -> str:
    return title if len(title) <= length else f"…{title[1 - length :]}"
