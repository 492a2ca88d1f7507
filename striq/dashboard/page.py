"""The dashboard as one HTML page that opens offline and loads nothing from a network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import striq.reporting
from striq.atomic_files import write_text
from striq.audit.names import short_names
from striq.audit.thumbnails import thumbnail
from striq.dashboard.history import History
from striq.reporting.html_report import printable

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("statistics.js", "groups.js", "charts.js", "tables.js", "page.js")
STYLES = (Path(striq.reporting.__file__).parent / "page" / "style.css", PAGE / "dashboard.css")
GROUPS = {"plane": "Plane", "site": "Site", "model": "Scanner model", "operator": "Operator"}
NUM_PICTURES, PER_GROUP = 40, 2  # pictures of studies: in all, and of each group at least


def write_dashboard(
    path: Path, history: History, *, pictures: bool | None = None, written: datetime | None = None
) -> Path:
    """Write the dashboard, atomically, and return its path.

    Args:
        path: File to write.
        history: What it shows.
        pictures: Show the worst frames of the worst studies; by default, unless the rows hold pseudonyms of operators,
            because text burned into a frame may name people.
        written: Time of writing shown on the page; now by default.
    """
    if pictures is None:
        pictures = not (history.has_pseudonyms or history.settings.hash_operators)
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script = Markup("".join((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS))
    text = environment.get_template("dashboard.html.j2").render(
        history=history,
        settings=history.settings,
        policy=history.settings.rules,
        groups=GROUPS,
        printable=printable,
        num_studies=len(history.names["study"]),
        num_frames=sum(history.cells["count"]),
        written=(written or datetime.now().astimezone()).strftime("%Y-%m-%d %H:%M %Z").strip(),
        style=Markup("".join(style.read_text(encoding="utf-8") for style in STYLES)),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        data=_script_safe(_data(history, pictures=pictures)),
    )
    return write_text(path, text)


def _data(history: History, *, pictures: bool) -> dict[str, Any]:
    """Return what the scripts compute with."""
    names = {name: [printable(value) for value in values] for name, values in history.names.items()}
    short = short_names(history.names["study"])
    return {
        "cells": history.cells,
        "names": names,
        "short": [printable(short[name]) for name in history.names["study"]],
        "checklists": [
            None if one.found is None else [one.found.examination, one.found.state.value, *_gaps(one)]
            for one in history.checklists
        ],
        "pictures": {
            number: uri
            for number in (_pictured(history) if pictures else [])
            if (uri := thumbnail(*history.lowest[number]))
        },
    }


def _gaps(checklist: Any) -> list[str]:
    return [", ".join(checklist.planes(state)) for state in ("not accepted", "missing")]


def _pictured(history: History) -> Sequence[int]:
    """Return the numbers of the studies that are shown: those of the lowest mean Q, in all and of each group."""
    cells, count = history.cells, len(history.names["study"])
    study, frames = np.array(cells["study"]), np.array(cells["count"])
    sums = np.bincount(study, cells["quality"], count), np.bincount(study, frames, count)
    order = np.argsort(sums[0] / np.maximum(sums[1], 1), kind="stable")
    chosen = dict.fromkeys(order[: NUM_PICTURES // 2].tolist())
    for name in GROUPS:
        of_cell = np.array(cells[name])
        for value in range(len(history.names[name])):
            members = set(study[of_cell == value].tolist())
            chosen |= dict.fromkeys([number for number in order.tolist() if number in members][:PER_GROUP])
    return list(chosen)[:NUM_PICTURES]


def _script_safe(data: dict[str, Any]) -> Markup:
    """Return JSON that cannot end the element of the page that it stands in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
