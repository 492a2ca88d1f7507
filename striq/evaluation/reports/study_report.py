"""Report of a study: the same results as JSON for programs, and as Markdown and a picture for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from striq.atomic_files import write_json, write_text
from striq.evaluation.reports.figures import add_caption, save_figure
from striq.evaluation.reports.text import markdown_table


@dataclass(frozen=True)
class ReportTable:
    """One table of a report.

    Attributes:
        columns: Names of the columns.
        rows: Cells as text, one per column.
        title: Heading of the table; none by default.
        remarks: Paragraphs printed below the table.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class StudyReport:
    """Results of a study.

    Attributes:
        name: Name of the files, without suffix.
        title: Heading of the report.
        tables: Tables for people.
        facts: The same results for programs: plain values, arrays and dataclasses. NaN becomes ``null``.
        note: What a reader of any table or picture must know; printed with each of them.
        draw: Draws the picture; no picture is written without it.
        caption: Sentence printed below the picture.
    """

    name: str
    title: str
    tables: Sequence[ReportTable]
    facts: Mapping[str, object] = field(default_factory=dict[str, object])
    note: str = ""
    draw: Callable[[], Figure] | None = None
    caption: str = ""

    def to_json(self) -> dict[str, object]:
        """Return title, note and facts as plain JSON values."""
        return {"title": self.title, "note": self.note, **{key: plain(value) for key, value in self.facts.items()}}

    def to_markdown(self) -> str:
        """Return the tables as Markdown, each followed by its remarks and the note."""
        lines = [f"## {self.title}", ""]
        note = [f"**Note:** {self.note}"] if self.note else []
        for table in self.tables:
            heading = [f"### {table.title}", ""] if table.title else []
            lines += [*heading, *markdown_table(table.columns, table.rows), ""]
            for paragraph in (*table.remarks, *note):
                lines += [paragraph, ""]
        return "\n".join(lines)

    def figure(self) -> Figure | None:
        """Return the picture with caption and note, nothing if the report has none."""
        if self.draw is None:
            return None
        figure = self.draw()
        add_caption(figure, " ".join(filter(None, (self.caption, self.note and f"Note: {self.note}"))))
        return figure

    def write(self, folder: str | Path) -> str:
        """Write ``NAME.md``, ``NAME.png`` and, last, ``NAME.json``, each atomically, and return the Markdown."""
        target, text = Path(folder) / self.name, self.to_markdown()
        write_text(target.with_name(f"{self.name}.md"), text)
        if (figure := self.figure()) is not None:
            save_figure(figure, target.with_name(f"{self.name}.png"))
        write_json(target.with_name(f"{self.name}.json"), self.to_json())
        return text


def plain(value: object) -> object:
    """Return a value in the types of JSON: dataclasses as objects, arrays and tuples as lists, NaN as ``None``."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
