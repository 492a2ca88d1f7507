"""All scores on one HTML page that opens offline and loads nothing from a network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import striq
from striq.atomic_files import write_text
from striq.quality.terms import TERMS
from striq.reporting.cine_figures import CineFigures
from striq.reporting.frame_pictures import Explain, FramePicture, from_worst_to_best, picture_of, small_picture_of
from striq.reporting.html_plot import draw_plot
from striq.reporting.identity import ModelIdentity
from striq.reporting.rows import encodable
from striq.scoring.results import FrameResult
from striq.scoring.score_curve import STATE_LABELS, state_of
from striq.types import Frame

PAGE = Path(__file__).parent / "page"


@dataclass(frozen=True)
class CineReport:
    """One file in the report.

    Attributes:
        source: Name of the file in the table of scores.
        results: One per frame; a single one if the file could not be opened.
        pictures: The best and the worst frame, or the only one.
        gallery: Frames from the worst to the best; none of a short cine.
    """

    source: str
    results: tuple[FrameResult, ...]
    pictures: tuple[FramePicture, ...] = ()
    gallery: tuple[FramePicture, ...] = ()

    @property
    def name(self) -> str:
        """Name of the file without its folders, because folders may be named after patients."""
        return printable(Path(self.source).name)

    @property
    def summary(self) -> CineFigures:
        """Counts, median, and best and worst frame."""
        return CineFigures.of(self.results)

    @property
    def failure(self) -> str:
        """Why the file could not be opened; empty if it could."""
        return next((self.reason(result) for result in self.results if result.index is None), "")

    def reason(self, result: FrameResult) -> str:
        """Return the error of a result without the folders of the file."""
        return printable(encodable(result.error)).replace(printable(self.source), self.name)


def report_cine(
    source: str, results: Sequence[FrameResult], read: Callable[[int], Frame], explain: Explain | None = None
) -> CineReport:
    """Return what the report shows of one file.

    Args:
        source: Name of the file in the table of scores.
        results: One per frame.
        read: Returns the frame with an index; called for the best and the worst one, and for those of the gallery.
        explain: Returns what the score of the best and of the worst frame rests on; they are shown alone by default.
    """
    summary = CineFigures.of(results)
    if summary.best is None or summary.worst is None:
        return CineReport(source, tuple(results))
    chosen = {"Best frame": summary.best, "Worst frame": summary.worst}
    if summary.num_frames == 1:
        chosen = {"Frame": summary.best}
    pictures = tuple(picture_of(name, score, read(score.index), explain) for name, score in chosen.items())
    gallery = tuple(small_picture_of(score, read(score.index)) for score in from_worst_to_best(results))
    return CineReport(source, tuple(results), pictures, gallery)


def write_html(
    path: str | Path,
    cines: Sequence[CineReport],
    model: ModelIdentity,
    *,
    num_left: int = 0,
    written: datetime | None = None,
) -> Path:
    """Write the report atomically and return the path.

    Convention:
        - Files are named without their folders, and no value of a DICOM header is shown, so that neither reveals the
          name of a patient.
        - Frames are counted from 0, as in the table of scores.
        - The overview begins with the file of the lowest median Q.

    Args:
        path: File to write.
        cines: Files in the order they were scored.
        model: The model that scored them.
        num_left: Number of files not scored because of an interruption.
        written: Time of writing shown on the page; now by default.
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
        explains=any(picture.panels for cine in cines for picture in cine.pictures),
        only_stills=all(cine.summary.num_frames == 1 for _, cine in opened),
        unreadable=[(number, cine) for number, cine in numbered if cine.failure],
        totals=CineFigures.of([result for cine in cines for result in cine.results]),
        model=model,
        version=striq.__version__,
        written=(written or datetime.now().astimezone()).strftime("%Y-%m-%d %H:%M %Z").strip(),
        num_left=num_left,
        script=script,
        style=style,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        plot=lambda cine: Markup(draw_plot(cine.results)),
        terms=list(TERMS.values()),
        state_of=state_of,
        state_labels=STATE_LABELS,
        printable=printable,
    )
    return write_text(path, page)


def _order(cine: CineReport) -> float:
    median = cine.summary.median_quality
    return -1.0 if median is None else median


def printable(text: str) -> str:
    """Return text with control characters and marks of writing direction replaced, so that it looks as it is."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
