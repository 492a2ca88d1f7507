"""Results as a part of a notebook: the plot, one row per file, and some rows of frames."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import PurePath
from statistics import median

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from striq.csv_cells import printable
from striq.scoring.results import FrameResult
from striq.scoring.score_plot import SIZE_INCHES, plot_scores

MOST_FILES, MOST_FRAMES, DPI = 20, 10, 90
FILE_HEADS = ("File", "Frames", "Median Q", "Lowest", "Highest", "Accepted", "Not scored")
FRAME_HEADS = ("Frame", "Q", "Plane", "Verdict")


def page_of(results: Sequence[FrameResult]) -> str:
    """Return results as HTML without scripts; names are written as text."""
    files: dict[str, list[FrameResult]] = {}
    for result in results:
        files.setdefault(result.source, []).append(result)
    num_scored = sum(result.score is not None for result in results)
    parts = [f"<p>{num_scored} frames of {len(files)} {'file' if len(files) == 1 else 'files'} scored.</p>"]
    if num_scored > 1:
        parts.append(_picture(results))
    rows = [_file_row(source, found) for source, found in list(files.items())[:MOST_FILES]]
    parts.append(_table(FILE_HEADS, rows, len(files)))
    if len(files) == 1:
        frames = [result for result in results if result.index is not None]
        parts.append(_table(FRAME_HEADS, [_frame_row(result) for result in frames[:MOST_FRAMES]], len(frames)))
    return f"<div>{''.join(parts)}</div>"


def _picture(results: Sequence[FrameResult]) -> str:
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    plot_scores(results, figure.subplots())
    stream = io.BytesIO()
    canvas.print_png(stream)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<img alt="Quality over the frames" style="max-width:100%" src="data:image/png;base64,{data}">'


def _file_row(source: str, results: Sequence[FrameResult]) -> list[str]:
    scores = [result.score for result in results if result.score is not None]
    qualities = [score.quality for score in scores]
    figures = [f"{value(qualities):.2f}" for value in (median, min, max)] if qualities else ["–"] * 3
    num_accepted, num_failed = sum(score.accepted for score in scores), len(results) - len(scores)
    return [PurePath(source).name or source, str(len(results)), *figures, str(num_accepted), str(num_failed)]


def _frame_row(result: FrameResult) -> list[str]:
    score = result.score
    if score is None:
        return [str(result.index), "–", "–", result.error]
    verdict = "accepted" if score.accepted else "not accepted"
    return [str(result.index), f"{score.quality:.3f} ± {score.uncertainty:.3f}", score.plane, verdict]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], total: int) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(printable(cell))}</td>' for cell in row)}</tr>" for row in rows)
    rest = f"<p>and {total - len(rows)} more</p>" if total > len(rows) else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"
