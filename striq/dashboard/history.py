"""The history of an audit in counts: frames by day, plane, site, scanner model, operator and study."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import striq
from striq.atomic_files import write_text
from striq.audit.checklists import StudyChecklist, check_studies, study_names
from striq.audit.layout import OPERATOR_KEY_NAME, SHARD_PATTERN, shard_path
from striq.audit.parquet import pyarrow
from striq.audit.plan import AuditSettings, Plan
from striq.audit.pseudonyms import pseudonym
from striq.audit.shard_files import GONE_COLUMN, done_shards, score_schema
from striq.errors import StriqError
from striq.verdict import NO_PLANE

COLUMNS = (
    *("source", "frame", "plane", "scored_plane", "quality", "accepted", "error", "study_instance_uid", "site"),
    *("threshold", "model_sha256"),
    *("operator", "manufacturer", "scanner_model", "date", "examination", GONE_COLUMN),
)
PSEUDONYM = re.compile(r"operator-[0-9a-f]{8}")
KEYS = ("day", "plane", "site", "model", "operator", "study")


@dataclass(frozen=True)
class History:
    """What the dashboard shows of an audit.

    Attributes:
        settings: Settings of the audit.
        cells: Columns of equal length: ``day`` (since 1970, -1 if unknown), the numbers of plane, site, scanner model,
            operator and study, ``count`` of frames, those ``accepted`` and named ``none``, and the sum of their Q.
        names: Names of planes, sites, models, operators and studies by number; empty if unknown.
        lowest: Path and number of the frame with the lowest Q of each study.
        checklists: Completeness of each study; empty without a policy that requires planes.
        num_failed: Frames and files without a score.
        num_pending: Shards that are not scored yet.
        has_pseudonyms: Whether the rows hold pseudonyms in place of names of operators.
    """

    settings: AuditSettings
    cells: dict[str, list[Any]]
    names: dict[str, list[str]]
    lowest: list[tuple[str, int]]
    checklists: list[StudyChecklist]
    num_failed: int
    num_pending: int
    has_pseudonyms: bool


def read_history(folder: Path, plan: Plan | None, *, policy: str = "", show_operators: bool = False) -> History:
    """Return the history of an audit, finished or not, or of the rows that 'striq serve' wrote.

    Args:
        folder: Folder of Parquet files.
        plan: Plan of the audit; ``None`` for rows without one.
        policy: Policy as TOML, whose required planes are looked for; that of the plan by default.
        show_operators: Keep the names of operators; otherwise they are replaced by pseudonyms.

    Raises:
        StriqError: If no frame has been scored yet.
    """
    done = [] if plan is None else [shard_path(folder, number) for number in sorted(done_shards(folder, plan))]
    tables = [_read(path) for path in (done if plan else sorted(folder.glob(SHARD_PATTERN)))]
    table = pyarrow.concat_tables([score_schema().empty_table().select(COLUMNS), *tables])
    table = table.filter(pyarrow.compute.call_function("invert", [table[GONE_COLUMN]]))
    scored = table.filter(table["error"].is_null())
    if not scored.num_rows:
        msg = f"{folder}: no scored frame. Expected the folder of 'striq audit', or 'audit' in that of 'striq serve'."
        raise StriqError(msg)
    settings = _settings(scored) if plan is None else plan.settings
    settings = replace(settings, policy=policy or settings.policy)
    keys, names = _keys(scored)
    has_pseudonyms = any(map(PSEUDONYM.fullmatch, names["operator"]))
    if not show_operators:
        names["operator"] = _pseudonyms(folder, names["operator"])
    quality = scored["quality"].to_numpy()
    return History(
        settings,
        _cells(keys, scored, quality),
        names,
        _lowest(keys["study"], quality, scored, len(names["study"])),
        _in_order(check_studies(scored, settings), names["study"]),
        num_failed=table.num_rows - scored.num_rows,
        num_pending=0 if plan is None else len(plan.shards) - len(done),
        has_pseudonyms=has_pseudonyms,
    )


def _read(path: Path) -> Any:
    """Return the columns of a shard; those that a former version did not write are null."""
    file, schema = pyarrow.parquet.ParquetFile(path), score_schema()
    table = file.read(columns=[name for name in COLUMNS if name in file.schema_arrow.names])
    columns = {
        name: table[name] if name in table.column_names else pyarrow.nulls(table.num_rows, schema.field(name).type)
        for name in COLUMNS
    }
    return pyarrow.table(columns)


def _settings(table: Any) -> AuditSettings:
    """Return the settings that rows without a plan tell of; planes of the model are not among them."""
    models = {model for model in table["model_sha256"].to_pylist() if model}
    thresholds = table["threshold"].to_pylist()
    sha256 = models.pop() if len(models) == 1 else f"{len(models)} models"
    return AuditSettings(sha256, "of the rows", striq.__version__, max(set(thresholds), key=thresholds.count))


def _pseudonyms(folder: Path, names: Sequence[str]) -> list[str]:
    """Return pseudonyms; the key stays in the folder, so that they are those of the pages before."""
    if all(not name or PSEUDONYM.fullmatch(name) for name in names):
        return list(names)
    place = folder / OPERATOR_KEY_NAME
    if not place.is_file():
        write_text(place, secrets.token_hex(32))
        place.chmod(0o600)
    key = bytes.fromhex(place.read_text(encoding="utf-8").strip())
    return [name if not name or PSEUDONYM.fullmatch(name) else pseudonym(key, name) for name in names]


def _keys(table: Any) -> tuple[dict[str, NDArray[np.int64]], dict[str, list[str]]]:
    """Return the numbers of each frame's values, and the values by number."""
    model = pyarrow.compute.call_function(
        "binary_join_element_wise",
        [table["manufacturer"].fill_null(""), table["scanner_model"].fill_null(""), pyarrow.scalar(" ")],
    )
    columns = {
        "plane": table["scored_plane"],
        "site": table["site"],
        "model": model,
        "operator": table["operator"],
        "study": study_names(table),
    }
    keys, names = dict[str, NDArray[np.int64]](), dict[str, list[str]]()
    for name, column in columns.items():
        encoded = column.fill_null("").combine_chunks().dictionary_encode()
        encoded = encoded.combine_chunks() if isinstance(encoded, pyarrow.ChunkedArray) else encoded
        keys[name] = encoded.indices.to_numpy().astype(np.int64)
        names[name] = [value.strip() for value in encoded.dictionary.to_pylist()]
    days = table["date"].cast(pyarrow.int32()).fill_null(-1).to_numpy()
    keys["day"] = days.astype(np.int64)
    return keys, names


def _cells(keys: dict[str, NDArray[np.int64]], table: Any, quality: NDArray[np.float64]) -> dict[str, list[Any]]:
    rows = np.stack([keys[name] for name in KEYS], axis=1)
    distinct, place = np.unique(rows, axis=0, return_inverse=True)
    place = place.reshape(-1)
    accepted = table["accepted"].to_numpy().astype(bool)
    is_none = pyarrow.compute.call_function("equal", [table["plane"], pyarrow.scalar(NO_PLANE)]).to_numpy().astype(bool)
    sums = {"count": None, "accepted": accepted, "none": is_none}
    cells: dict[str, list[Any]] = {name: distinct[:, column].tolist() for column, name in enumerate(KEYS)}
    for name, weights in sums.items():
        cells[name] = np.bincount(place, weights, minlength=len(distinct)).astype(int).tolist()
    cells["quality"] = np.bincount(place, quality, minlength=len(distinct)).round(4).tolist()
    return cells


def _lowest(study: NDArray[np.int64], quality: NDArray[np.float64], table: Any, count: int) -> list[tuple[str, int]]:
    order = np.lexsort((quality, study))
    first = order[np.searchsorted(study[order], np.arange(count))]
    rows = table.select(["source", "frame"]).take(pyarrow.array(first)).to_pylist()
    return [(row["source"], row["frame"]) for row in rows]


def _in_order(checklists: Sequence[StudyChecklist], studies: Sequence[str]) -> list[StudyChecklist]:
    by_name = {one.name.strip(): one for one in checklists}
    return [by_name[name] for name in studies] if checklists else []
