"""Making and writing of parts: finished ones are kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from striq.atomic_files import write_csv
from striq.evaluation.reproduction.finding import Finding
from striq.evaluation.reproduction.parts import Part
from striq.evaluation.reproduction.provenance import Stopwatch
from striq.evaluation.reproduction.run import ReproductionRun

logger = logging.getLogger(__name__)


def reproduce(run: ReproductionRun, parts: Sequence[Part]) -> list[str]:
    """Make and write parts, one after another, and return the names of those that were kept from an earlier run.

    Each part becomes ``NAME.json``, ``NAME.md``, one CSV per table and, if it has a picture, ``NAME.png``.

    Args:
        run: Frames and settings.
        parts: What to make.

    Raises:
        DatasetError: If the frames cannot be used.
    """
    kept: list[str] = []
    for number, part in enumerate(parts, start=1):
        if is_finished(run, part.name):
            logger.info("%s (%d of %d): kept", part.name, number, len(parts))
            kept.append(part.name)
            continue
        logger.info("%s (%d of %d)", part.name, number, len(parts))
        watch = Stopwatch()
        write_finding(run, part.make(run), watch.facts())
    return kept


def is_finished(run: ReproductionRun, name: str) -> bool:
    """Return whether a part was made before of the same frames and settings."""
    file = run.folder / f"{name}.json"
    try:
        return json.loads(file.read_text(encoding="utf-8")).get("made_of") == run.made_of
    except (OSError, ValueError):
        return False


def write_finding(run: ReproductionRun, finding: Finding, code: Mapping[str, object]) -> None:
    """Write the files of a part; the JSON file, which marks it as finished, last.

    Args:
        run: Frames and settings.
        finding: What the part found.
        code: Version, commit, date and time taken.
    """
    for report in finding.also:
        report.write(run.folder)
    report = finding.report
    for number, table in enumerate(report.tables, start=1):
        suffix = f"_{number}" if len(report.tables) > 1 else ""
        write_csv(run.folder / f"{report.name}{suffix}.csv", table.columns, table.rows)
    facts = {
        **report.facts,
        "tables": report.tables,
        "missing": finding.missing,
        "also": [one.name for one in finding.also],
        "data": run.data,
        "folds": run.num_folds,
        "seeds": run.num_seeds,
        "made_of": run.made_of,
        **code,
    }
    remarks = _remarks(run, finding, code)
    last = replace(report.tables[-1], remarks=[*report.tables[-1].remarks, *remarks])
    whole = replace(report, facts=facts, tables=[*report.tables[:-1], last])
    whole.write(run.folder)


def _remarks(run: ReproductionRun, finding: Finding, code: Mapping[str, object]) -> list[str]:
    made = f"Data: {run.data} {run.num_folds} folds, seeds 0 to {run.num_seeds - 1}. {code['code']}, {code['date']}; "
    made += f"{code['seconds']} s, {code['cpu_seconds']} s of processor time."
    return [*(f"Not reproduced: {sentence}" for sentence in finding.missing), made]
