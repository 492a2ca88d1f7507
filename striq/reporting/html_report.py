"""One HTML file with all scores: it opens offline, and asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

import striq
from striq.atomic_files import write_text
from striq.reporting.cine_figures import CineFigures
from striq.reporting.html_plot import draw_plot, state_of
from striq.reporting.identity import ModelIdentity
from striq.reporting.normalized_terms import TermShare
from striq.reporting.rows import encodable
from striq.scoring.results import FrameResult
from striq.types import Frame, FrameScore

PAGE = Path(__file__).parent / "page"
PICTURE_WIDTH, JPEG_QUALITY = 360, 82


@dataclass(frozen=True)
class FramePicture:
    """A frame shown in the report.

    Attributes:
        name: What is special about it.
        score: Its score.
        shares: Its terms as parts of Q.
        jpeg: The frame, small; empty where it could not be read again.
    """

    name: str
    score: FrameScore
    shares: tuple[TermShare, ...]
    jpeg: bytes

    @property
    def uri(self) -> str:
        """The picture as an address that holds it."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode('ascii')}"


@dataclass(frozen=True)
class CineReport:
    """One file in the report.

    Attributes:
        source: Its name in the table of scores.
        results: What became of its frames, or of the file.
        pictures: Best and worst frame; of a still the only one.
    """

    source: str
    results: tuple[FrameResult, ...]
    pictures: tuple[FramePicture, ...] = ()

    @property
    def name(self) -> str:
        """Name of the file without its folders, which may name patients."""
        return printable(Path(self.source).name)

    @property
    def summary(self) -> CineFigures:
        """The results in a few figures."""
        return CineFigures.of(self.results)

    @property
    def failure(self) -> str:
        """Why the file could not be opened; empty if it could."""
        return next((self.reason(result) for result in self.results if result.index is None), "")

    def reason(self, result: FrameResult) -> str:
        """Return an error without the folders that it names."""
        return printable(encodable(result.error)).replace(printable(self.source), self.name)


def report_cine(
    source: str,
    results: Sequence[FrameResult],
    read: Callable[[int], Frame],
    explain: Callable[[FrameScore], tuple[TermShare, ...]],
) -> CineReport:
    """Return what the report shows of one file.

    Args:
        source: Name of the file.
        results: What became of its frames.
        read: Returns the frame of an index; asked for the best and the worst one only.
        explain: Returns the terms of a score as parts of Q.
    """
    summary = CineFigures.of(results)
    if summary.best is None or summary.worst is None:
        return CineReport(source, tuple(results))
    chosen = {"Best frame": summary.best, "Worst frame": summary.worst}
    if summary.num_frames == 1:
        chosen = {"Frame": summary.best}
    pictures = tuple(
        FramePicture(name, score, explain(score), _jpeg(read(score.index))) for name, score in chosen.items()
    )
    return CineReport(source, tuple(results), pictures)


def write_html(
    path: str | Path,
    cines: Sequence[CineReport],
    model: ModelIdentity,
    *,
    num_left: int = 0,
    written: datetime | None = None,
) -> Path:
    """Write the report atomically and return the path; the cine with the lowest median comes first in its overview.

    Convention:
        - Files are named without their folders, and nothing of a header is shown: no patient's name comes from there.
        - Frames are counted from 0, as in the table of scores.

    Args:
        path: Where to.
        cines: Files in the order they were scored.
        model: What scored them.
        num_left: Files that an interruption left without a score.
        written: Time to write down; now by default.
    """
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script, style = (Markup((PAGE / name).read_text(encoding="utf-8")) for name in ("sort.js", "style.css"))
    numbered = list(enumerate(cines, start=1))
    opened = [(number, cine) for number, cine in numbered if not cine.failure]
    page = environment.get_template("report.html.j2").render(
        worst_first=sorted(opened, key=lambda item: _order(item[1])),
        opened=opened,
        unreadable=[(number, cine) for number, cine in numbered if cine.failure],
        totals=CineFigures.of([result for cine in cines for result in cine.results]),
        model=model,
        version=striq.__version__,
        written=(written or datetime.now().astimezone()).strftime("%Y-%m-%d %H:%M %Z").strip(),
        num_left=num_left,
        script=script,
        style=style,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        plot=lambda cine: Markup(draw_plot(cine.results, cine.summary, model.threshold)),
        state_of=state_of,
        printable=printable,
    )
    return write_text(path, page)


def _order(cine: CineReport) -> float:
    median = cine.summary.median_quality
    return -1.0 if median is None else median


def _jpeg(frame: Frame) -> bytes:
    """Return the frame as a small picture with square pixels."""
    height, width = frame.pixels.shape
    row_mm, column_mm = frame.spacing_mm or (1.0, 1.0)
    new_width = min(PICTURE_WIDTH, width)
    new_height = max(1, round(new_width * height * row_mm / (width * column_mm)))
    picture = Image.fromarray(np.round(frame.pixels * 255).astype(np.uint8)).resize((new_width, new_height))
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def printable(text: str) -> str:
    """Return text that any browser shows as it is: no control characters, none that change the direction."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
