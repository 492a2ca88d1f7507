"""Summary page of an audit: HTML that opens offline, without scripts."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import striq.reporting
from striq.atomic_files import write_text
from striq.audit.charts import box, histogram, timeline
from striq.audit.intervals import FEW_STUDIES
from striq.audit.names import short_names
from striq.audit.summary import AuditSummary
from striq.audit.thumbnails import thumbnail
from striq.reporting.html_report import printable

TEMPLATE = Path(__file__).parent / "template"
STYLES = (
    Path(striq.reporting.__file__).parent / "page" / "style.css",
    TEMPLATE / "audit.css",
)  # shared by all pages; of this page
MOST = SimpleNamespace(groups=50, files=5, unreadable=500, pictures=24, incomplete=100)  # shown per table


def write_summary(path: Path, summary: AuditSummary) -> Path:
    """Write the summary page, atomically, and return its path."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    studies = [*summary.worst, *summary.without_plane]
    weeks = [week for week in summary.weeks if len(week.quality)]
    text = environment.get_template("audit.html.j2").render(
        summary=summary,
        settings=summary.settings,
        policy=summary.settings.rules,
        weeks=weeks,
        dated=[week for week in weeks if week.name],
        most=MOST,
        few=FEW_STUDIES,
        short=short_names([*(study.scores.name for study in studies), *_incomplete(summary)]),
        pictures=_pictures(summary),
        style=Markup("".join(style.read_text(encoding="utf-8") for style in STYLES)),
        uri=lambda file: Path(file).as_uri(),
        name=lambda file: PurePath(file).name,
        **{draw.__name__: partial(_drawn, draw) for draw in (box, histogram, timeline)},
    )
    return write_text(path, text)


def _incomplete(summary: AuditSummary) -> list[str]:
    """Return the names of the studies that the tables of completeness list."""
    return [study.name for one in summary.checklists for study in one.incomplete[: MOST.incomplete]]


def _pictures(summary: AuditSummary) -> dict[str, str]:
    """Return a picture of the worst frame of the first studies of both tables, by the name of the study.

    None are shown where operators have pseudonyms, because text burned into a frame may name people.
    """
    if summary.settings.hash_operators:
        return {}
    shown = [*summary.worst[: MOST.pictures], *summary.without_plane[: MOST.pictures]]
    return {study.scores.name: thumbnail(*study.lowest) for study in shown}


def _drawn(draw: Any, *scores: Any) -> Markup:
    return Markup(draw(*scores))


def _printed(value: Any) -> Any:
    """Return a value of the template, with control characters replaced in text from files."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
