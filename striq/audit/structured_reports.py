"""DICOM structured reports of an audit, made from its rows."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

import pydicom
from pydicom.misc import is_dicom
from pydicom.uid import UID

from striq.atomic_files import write_text
from striq.audit.layout import reported_path, shard_path
from striq.audit.parquet import pyarrow
from striq.audit.plan import ArchiveFile, FileState, Plan
from striq.audit.row_results import result_of
from striq.data.readers.dicom import DICOM_ERRORS
from striq.errors import ReadError, unexpected
from striq.reporting.identity import ModelIdentity
from striq.reporting.rows import source_name
from striq.reporting.structured_report import write_structured_report
from striq.scoring.results import FrameResult

SUFFIX = ".sr.dcm"
Track = Callable[[Iterable[int]], Iterable[int]]


def write_reports(
    folder: Path,
    plan: Plan,
    target: Path,
    model: ModelIdentity,
    *,
    complain: Callable[[str], object],
    track: Track = iter,
) -> int:
    """Write a structured report of each DICOM file of an audit, and return how many could not be written.

    Reports are named ``STUDY/INSTANCE.sr.dcm`` by their UIDs. A shard is left out if its reports have been written to
    the same folder and its rows have not changed since.

    Args:
        folder: Folder of the audit.
        plan: Its plan, whose shards are all scored.
        target: Folder for the reports.
        model: The model that scored.
        complain: Called with a message for each report that cannot be written.
        track: Returns the numbers of shards it is given and shows progress.
    """
    failures = 0
    behind = [number for number in range(len(plan.shards)) if _note(folder, plan, target, number) is not None]
    for number in track(behind):
        failed = 0
        for file, results in _results(folder, plan, number):
            try:
                if _is_dicom(file):
                    write_structured_report(_path(target, file), file.path, results, model)
            except ReadError as error:
                failed += 1
                complain(f"error: {error}")
            except Exception as error:  # a report on one file must not cost the others
                failed += 1
                complain(f"error: {file.path}: a report about it cannot be written ({unexpected(error)}).")
        failures += failed
        if not failed and (note := _note(folder, plan, target, number)) is not None:
            write_text(reported_path(folder, number), note)
    return failures


def _note(folder: Path, plan: Plan, target: Path, number: int) -> str | None:
    """Return what is noted about the reports of a shard once they are written; ``None`` if it is noted already."""
    note = f"{plan.identity(number)}\n{plan.row_state(number)}\n{target.absolute()}\n"
    place = reported_path(folder, number)
    is_noted = place.is_file() and place.read_text(encoding="utf-8", errors="replace") == note and target.is_dir()
    return None if is_noted else note


def _results(folder: Path, plan: Plan, number: int) -> Iterator[tuple[ArchiveFile, list[FrameResult]]]:
    """Yield the files of a shard that are still there and could be opened, with their results."""
    files = {source_name(Path(file.path)): file for file in plan.shards[number] if file.state is FileState.CURRENT}
    rows = pyarrow.parquet.read_table(shard_path(folder, number)).to_pylist()
    for source, of_file in groupby(rows, key=lambda row: row["source"]):
        results = [result_of(row) for row in of_file if row["frame"] is not None]
        if results and source in files:
            yield files[source], results


def _is_dicom(file: ArchiveFile) -> bool:
    return bool(file.attributes.series_instance_uid) or is_dicom(file.path)


def _path(target: Path, file: ArchiveFile) -> Path:
    """Return the path of the report of a file; a text that is no UID is replaced by a hash of the path."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd but readable values
        try:
            tags = ["StudyInstanceUID", "SOPInstanceUID"]
            header = pydicom.dcmread(file.path, stop_before_pixels=True, specific_tags=list(tags))
            study, instance = (str(header.get(tag, "")) for tag in tags)
        except DICOM_ERRORS:  # reported when the report is written
            study = instance = ""
    digest = hashlib.sha256(file.path.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return target / _name(study, "unknown_study") / f"{_name(instance, digest)}{SUFFIX}"


def _name(uid: str, otherwise: str) -> str:
    return uid if uid and UID(uid, validation_mode=0).is_valid else otherwise
