"""One HTML file with all scores: it opens offline, and asks nothing of a network or of scripts."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from striq.reporting.identity import ModelIdentity
from striq.reporting.pictures import draw_scores
from striq.reporting.rows import FrameResult
from striq.types import Frame, FrameScore
from striq.writing import write_text

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2937; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.5rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem; border-bottom: 1px solid #e5e7eb; text-align: right; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
.accepted { color: #1a7f37; } .rejected { color: #b42318; } .note { color: #6b7280; }
img { max-width: 100%; } summary { cursor: pointer; }
"""
COLUMNS = ("Frame", "Time in s", "Q", "Verdict", "Plane", "Similarity", "NCC", "Smoothness", "Contrast")


@dataclass(frozen=True)
class CineReport:
    """One file in the report.

    Attributes:
        source: Its name.
        results: What became of its frames, or of the file.
        picture: Score over time, best and worst frame, as PNG; ``None`` where nothing was scored.
    """

    source: str
    results: tuple[FrameResult, ...]
    picture: bytes | None = None

    @property
    def scores(self) -> list[FrameScore]:
        """The frames that were scored."""
        return [result.score for result in self.results if result.score is not None]


def report_cine(
    source: str, results: Sequence[FrameResult], read: Callable[[int], Frame], threshold: float
) -> CineReport:
    """Return what the report shows of one file.

    Args:
        source: Name of the file.
        results: What became of its frames.
        read: Returns the frame of an index; asked for the best and the worst one only.
        threshold: Quality above which a frame was accepted.
    """
    scores = [result.score for result in results if result.score is not None]
    if not scores:
        return CineReport(source, tuple(results))
    with tempfile.TemporaryDirectory() as folder:
        picture = draw_scores(Path(folder) / "scores.png", Path(source).name, scores, read, threshold)
        return CineReport(source, tuple(results), picture.read_bytes())


def write_html(path: str | Path, cines: Sequence[CineReport], model: ModelIdentity) -> Path:
    """Write the report, the cine with the lowest median first in its overview, atomically, and return the path.

    Args:
        path: Where to.
        cines: Files in the order they were scored.
        model: What scored them.
    """
    note = (
        f"Model {escape(model.name)}, sha256 {model.sha256}. Accepted above Q = {model.threshold:g}. "
        "For research only, not for diagnosis."
    )
    body = [
        "<h1>Ultrasound plane quality</h1>",
        f"<p class=note>{note}</p>",
        _overview(cines),
        *(_section(number, cine) for number, cine in enumerate(cines)),
    ]
    head = f"<meta charset=utf-8><title>Ultrasound plane quality</title><style>{STYLE}</style>"
    text = f"<!doctype html>\n<html lang=en><head>{head}</head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    return write_text(path, text)


def _overview(cines: Sequence[CineReport]) -> str:
    numbered = sorted(enumerate(cines), key=lambda item: _median(item[1]))
    rows = [
        [
            f'<a href="#cine{number}">{escape(cine.source)}</a>',
            str(len(cine.scores)),
            f"{_median(cine):.2f}" if cine.scores else "",
            str(sum(score.accepted for score in cine.scores)),
            str(len(cine.results) - len(cine.scores)),
        ]
        for number, cine in numbered
    ]
    return _table(("File, worst first", "Frames scored", "Median Q", "Accepted", "Failures"), rows)


def _median(cine: CineReport) -> float:
    ordered = sorted(score.quality for score in cine.scores)
    return ordered[(len(ordered) - 1) // 2] if ordered else -1.0


def _section(number: int, cine: CineReport) -> str:
    parts = [f'<h2 id="cine{number}">{escape(cine.source)}</h2>']
    if cine.picture is not None:
        encoded = base64.b64encode(cine.picture).decode("ascii")
        parts.append(f'<img alt="Score over time, best and worst frame" src="data:image/png;base64,{encoded}">')
    failures = [result for result in cine.results if result.score is None]
    parts.extend(f'<p class="rejected">{escape(_failure(result))}</p>' for result in failures)
    if cine.scores:
        rows = [_row(score) for score in cine.scores]
        parts.append(f"<details><summary>{len(rows)} frames</summary>{_table(COLUMNS, rows)}</details>")
    return "\n".join(parts)


def _failure(result: FrameResult) -> str:
    return result.error if result.index is None else f"Frame {result.index}: {result.error}"


def _row(score: FrameScore) -> list[str]:
    verdict = "accepted" if score.accepted else "rejected"
    terms = score.terms
    return [
        str(score.index),
        "" if score.time_s is None else f"{score.time_s:.3f}",
        f"{score.quality:.3f}",
        f'<span class="{verdict}">{verdict}</span>',
        escape(score.plane),
        *(f"{value:.3f}" for value in (terms.similarity, terms.ncc, terms.smoothness, terms.contrast)),
    ]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the cells are HTML already."""
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
