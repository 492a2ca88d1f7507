"""The explanation of one frame as a picture file."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from striq.atomic_files import replacing
from striq.reporting.explained_frame import ExplainedFrame
from striq.reporting.term_bars import TRACK_COLOR, draw_terms
from striq.scoring.curve_picture import BEST_COLOR, CURVE_COLOR, SOFT_COLOR, WORST_COLOR
from striq.verdict import NO_PLANE

SIZE_INCHES, DPI = (12.5, 4.3), 120
NOTE_WIDTH, SENTENCE_WIDTH = 56, 170  # characters of a line
DISCLAIMER = "For research only, not for diagnosis."


def draw_explanation(path: str | Path, name: str, explained: ExplainedFrame) -> Path:
    """Draw frame, warped reference, missing structure and terms as PNG, PDF or SVG, atomically; return the path.

    Args:
        path: File to write; its suffix determines the format.
        name: Name of the frame's file, for the title.
        explained: The frame.
    """
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = GridSpec(1, 4, figure=figure, width_ratios=(1, 1, 1, 1.05))
    frame, reference, missing, terms = (figure.add_subplot(cell) for cell in grid)
    _show(frame, explained.frame, "Frame", explained.aspect)
    title = f"Nearest reference, warped\n{explained.reference_name}"
    _show(reference, explained.reference, title, explained.aspect, explained.note)
    _show(missing, explained.missing, "Missing structure, in orange\n(all references show it)", explained.aspect)
    draw_terms(terms, explained.score)
    score = explained.score
    color = BEST_COLOR if score.accepted else WORST_COLOR
    figure.suptitle(f"{name}, frame {score.index}: {headline(explained)}", color=color, fontsize=12, parse_math=False)
    figure.supxlabel(
        f"{fill(explained.sentence, SENTENCE_WIDTH)}\n{DISCLAIMER}", fontsize=9.5, color=CURVE_COLOR, parse_math=False
    )
    target = Path(path)
    with replacing(target) as stream:
        canvas.print_figure(stream, format=target.suffix.removeprefix(".") or "png")
    return target


def headline(explained: ExplainedFrame) -> str:
    """Return quality, plane and verdict of the frame on one line."""
    score = explained.score
    plane = f"none of the planes, most like {score.scored_plane}" if score.plane == NO_PLANE else score.plane
    verdict = "accepted" if score.accepted else "not accepted"
    return f"Q {score.quality:.2f} ± {score.uncertainty:.2f}, {plane}, {verdict} (threshold {score.threshold:g})"


def _show(axes: Axes, picture: object, title: str, aspect: float, note: str = "") -> None:
    axes.set_title(title, fontsize=9, color=CURVE_COLOR, parse_math=False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if picture is not None:
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, aspect=aspect)  # type: ignore[arg-type]
        if note:
            axes.set_xlabel(fill(note, NOTE_WIDTH), fontsize=7.5, color=SOFT_COLOR)
    else:
        axes.set_facecolor(TRACK_COLOR)
        axes.set_box_aspect(0.8)
        text = fill(note, NOTE_WIDTH // 2)
        axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=9, transform=axes.transAxes)
