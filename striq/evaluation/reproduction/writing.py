"""Making and writing of parts: finished ones are kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from striq.atomic_files import write_csv
from striq.errors import StriqError
from striq.evaluation.reproduction.finding import Finding
from striq.evaluation.reproduction.parts import Part
from striq.evaluation.reproduction.provenance import Stopwatch
from striq.evaluation.reproduction.run import ReproductionRun

logger = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What became of the parts asked for.

    Attributes:
        kept: Parts that an earlier run has made.
        failed: Why a part could not be made, by its name.
    """

    kept: list[str] = field(default_factory=list[str])
    failed: dict[str, str] = field(default_factory=dict[str, str])


def reproduce(run: ReproductionRun, parts: Sequence[Part]) -> Outcome:
    """Make and write parts, one after another; one that cannot be made does not affect the others.

    Each part becomes ``NAME.md``, one CSV per table, ``NAME.png`` if it has a picture, and ``NAME.json``.

    Args:
        run: Frames and settings.
        parts: What to make.
    """
    outcome = Outcome()
    for number, part in enumerate(parts, start=1):
        place = f"{part.name} ({number} of {len(parts)})"
        if is_finished(run, part.name):
            logger.info("%s: kept", place)
            outcome.kept.append(part.name)
            continue
        logger.info("%s", place)
        watch = Stopwatch()
        try:
            write_finding(run, part.make(run), watch.facts())
        except StriqError as error:
            outcome.failed[part.name] = str(error)
    return outcome


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
    return [*(f"Differs from the paper: {sentence}" for sentence in finding.missing), made]
