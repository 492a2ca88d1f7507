"""The page that joins the reproduced tables and figures: one HTML file that opens offline and loads nothing."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import striq
from striq.atomic_files import write_text
from striq.evaluation.reproduction.parts import PARTS
from striq.reporting.html_report import PAGE

FILE = "reproduction.html"
WITH_FRAMES = ("fig3", "fig4", "fig5")  # parts whose pictures show frames


def write_reproduction_page(folder: Path) -> Path:
    """Write ``reproduction.html`` from the finished parts in a folder, atomically, and return its path."""
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    parts = [_part(folder, name) for name in PARTS if (folder / f"{name}.json").is_file()]
    names = [part["name"] for part in parts]
    page = environment.get_template("reproduction.html.j2").render(
        parts=parts,
        absent=[name for name in PARTS if name not in names],
        with_frames=any(name in WITH_FRAMES for name in names),
        version=striq.__version__,
        written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z").strip(),
        style=Markup((PAGE / "style.css").read_text(encoding="utf-8")),
    )
    return write_text(folder / FILE, page)


def _part(folder: Path, name: str) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    pictures = [folder / f"{one}.png" for one in (name, *stored["also"])]
    return {**stored, "name": name, "pictures": [_uri(path) for path in pictures if path.is_file()]}


def _uri(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
