"""The summary of an audit as one page that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path, PurePath

from striq.audit.charts import box, histogram, timeline
from striq.audit.summary import AuditSummary, Distribution, StudySummary, Unreadable
from striq.reporting.page import html_page, html_table
from striq.types import NO_PLANE
from striq.writing import write_text

TITLE = "Ultrasound archive audit"
MOST_GROUPS, MOST_FILES, MOST_UNREADABLE = 50, 5, 500  # rows of a table; the parts hold the rest
STYLE = """
svg { display: block; width: 100%; } svg text { font-size: 12px; fill: #6b7280; }
.tiles, .planes { display: flex; flex-wrap: wrap; gap: 1rem; }
.tiles div { background: #f9fafb; padding: .6rem 1rem; min-width: 7rem; }
.tiles b { display: block; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
.planes figure { margin: 0; width: 200px; min-width: 9rem; } .planes b, .note { overflow-wrap: anywhere; }
@media (max-width: 40rem) { .planes figure { width: 44%; } th, td { padding: .2rem .4rem; } }
.wide { overflow-x: auto; } td svg { width: 240px; } .weeks svg { min-width: 40rem; } .weeks text { font-size: 14px; }
td { vertical-align: top; } td .note { display: block; font-size: .85rem; }
.name { display: inline-block; min-width: 9rem; max-width: 26rem; overflow-wrap: anywhere; text-align: left; }
"""
SCORES = ("Q from 0 to 1", "Median", "Accepted", "Frames", "No plane")


def write_summary(path: Path, summary: AuditSummary) -> Path:
    """Write the page, atomically, and return its path."""
    threshold = summary.settings.threshold
    body = [
        f"<h1>{TITLE}</h1>",
        f'<p class="note">{_model(summary)}</p>',
        _tiles(summary),
        f'<p class="note">{_reading(summary)}</p>',
        "<h2>By plane</h2>",
        f'<div class="planes">{"".join(_plane(plane, threshold) for plane in summary.planes)}</div>',
        *_section("By site", "Site, lowest median first", summary.sites, threshold),
        *_section("By operator", "Operator, lowest median first", summary.operators, threshold),
        *_weeks(summary.weeks, threshold),
        *_worst(summary.worst, threshold),
        *_unreadable(summary.unreadable),
    ]
    return write_text(path, html_page(TITLE, body, STYLE))


def _model(summary: AuditSummary) -> str:
    settings = summary.settings
    frames = (
        f"at most {settings.max_frames_per_cine} frames of each cine" if settings.max_frames_per_cine else "all frames"
    )
    plane = "plane decided per frame" if settings.plane == "auto" else f"all taken as {escape(settings.plane)}"
    return (
        f"Model {escape(settings.model_name)}, sha256 {escape(settings.model_sha256)}, STRIQ "
        f"{escape(settings.striq_version)}; {frames}, {plane}. Accepted above Q = {settings.threshold:g}. "
        "For research only, not for diagnosis."
    )


def _reading(summary: AuditSummary) -> str:
    planes = (
        ""
        if summary.settings.plane != "auto"
        else (
            "Sites, operators, weeks and studies are judged by the frames that show one of the model's planes; the "
            "others are counted as <i>no plane</i>. "
        )
    )
    return (
        f"{planes}Q is relative to the frames the model was trained on, plane by plane: a group with another mix of "
        "planes, devices or patients may differ for that reason alone. The dashed line is the threshold; a "
        "box reaches from the lower to the upper quartile, with the median in it, and its lines from 5 to 95 %."
    )


def _tiles(summary: AuditSummary) -> str:
    whole = summary.whole
    failed = sum(file.num_frames is None for file in summary.unreadable)
    frames = sum(file.num_frames or 0 for file in summary.unreadable)
    tiles = [
        (f"{summary.num_files:,}", "files"),
        (f"{whole.num_studies:,}", "studies scored"),
        (f"{summary.num_scored:,}", "frames scored"),
        (f"{whole.num_without_plane:,}", "show no plane"),
        (_share(whole), "of the others accepted"),
        (f"{failed:,}", "files not readable"),
        (f"{frames:,}", "more frames not readable"),
    ]
    return '<div class="tiles">' + "".join(f"<div><b>{value}</b>{name}</div>" for value, name in tiles) + "</div>"


def _plane(plane: Distribution, threshold: float) -> str:
    name = "none of the planes" if plane.name == NO_PLANE else plane.name
    verdict = "never accepted" if plane.name == NO_PLANE else f"{_share(plane)} accepted"
    counts = f"{len(plane.quality):,} frames, median {plane.quantile(0.5):.2f}, {verdict}"
    return (
        f"<figure>{histogram(plane, threshold)}<figcaption><b>{escape(name)}</b><br>"
        f'<span class="note">{counts}</span></figcaption></figure>'
    )


def _section(title: str, column: str, groups: Sequence[Distribution], threshold: float) -> list[str]:
    if not groups:
        return [f"<h2>{title}</h2>", '<p class="note">No frame shows one of the planes.</p>']
    table = html_table((column, *SCORES, "Studies"), [_group(group, threshold) for group in groups[:MOST_GROUPS]])
    return [f"<h2>{title}</h2>", _wide(table), _rest(len(groups), MOST_GROUPS)]


def _weeks(weeks: Sequence[Distribution], threshold: float) -> list[str]:
    shown = [week for week in weeks if len(week.quality)]
    dated = [week for week in shown if week.name]
    chart = [f'<div class="wide weeks">{timeline(dated, threshold)}</div>'] if dated else []
    rows = html_table(("Week", *SCORES, "Studies"), [_group(week, threshold) for week in shown])
    table = f"<details><summary>{len(shown)} groups</summary>{_wide(rows)}</details>"
    note = '<p class="note">Line: median; band: quartiles. ISO weeks; those without frames are left out.</p>'
    return ["<h2>By week</h2>", *chart, note, table]


def _worst(studies: Sequence[StudySummary], threshold: float) -> list[str]:
    rows = [
        [
            _name(study.scores.name, " · ".join(filter(None, (study.date, study.site, study.operator)))),
            *_cells(study.scores, threshold),
            "".join(_link(path, f"{median:.2f} ") for path, median in study.files[:MOST_FILES])
            + _rest(len(study.files), MOST_FILES),
        ]
        for study in studies
    ]
    note = f"The {len(rows)} studies with the lowest median Q. Where no study is known, a file stands for one."
    table = html_table(("Study", *SCORES, "Files, lowest median first"), rows)
    return ["<h2>Worst studies first</h2>", f'<p class="note">{note}</p>', _wide(table)]


def _unreadable(files: Sequence[Unreadable]) -> list[str]:
    if not files:
        return ["<h2>Not readable</h2>", '<p class="note">Every frame of every file was scored.</p>']
    rows = [
        [
            _link(file.source),
            "file" if file.num_frames is None else str(file.num_frames),
            f'<span class="name">{escape(file.error)}</span>',
        ]
        for file in files[:MOST_UNREADABLE]
    ]
    table = html_table(("File", "Frames", "First reason"), rows)
    return [f"<h2>Not readable: {len(files)} files</h2>", _wide(table), _rest(len(files), MOST_UNREADABLE)]


def _group(group: Distribution, threshold: float) -> list[str]:
    return [_name(group.name or "not stated"), *_cells(group, threshold), f"{group.num_studies:,}"]


def _cells(scores: Distribution, threshold: float) -> list[str]:
    return [
        box(scores, threshold),
        f"{scores.quantile(0.5):.2f}",
        _share(scores),
        f"{len(scores.quality):,}",
        f"{scores.num_without_plane:,}",
    ]


def _share(scores: Distribution) -> str:
    return f"{100 * scores.num_accepted / len(scores.quality):.0f} %" if len(scores.quality) else "–"


def _link(path: str, before: str = "") -> str:
    """Return a link to a file of the archive; its whole path shows on hovering."""
    name = escape(PurePath(path).name)
    return (
        f'<span class="name">{before}<a href="{escape(Path(path).as_uri())}" title="{escape(path)}">{name}</a></span>'
    )


def _name(text: str, below: str = "") -> str:
    return f'<span class="name">{escape(text)}<span class="note">{escape(below)}</span></span>'


def _rest(count: int, most: int) -> str:
    return f'<p class="note">and {count - most:,} more, in the Parquet files</p>' if count > most else ""


def _wide(table: str) -> str:
    return f'<div class="wide">{table}</div>'
