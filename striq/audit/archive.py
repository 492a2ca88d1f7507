"""The files of an archive: those below a folder, or those that a manifest lists."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from striq.audit.attributes import UNKNOWN, Attributes, parse_date
from striq.audit.parquet import ARROW_ERRORS, pyarrow
from striq.data.datasets.table import Row, column_name, read_rows, require_columns
from striq.data.readers import find_sources
from striq.errors import DatasetError

MANIFEST_COLUMNS = ("path", "site", "operator", "study", "date")


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file to audit as found: how large and how old it is, and what the manifest says about it.

    Attributes:
        path: Absolute path.
        size: In bytes, -1 where there is no such file.
        mtime_ns: Time of its last change, -1 likewise.
        stated: What the manifest says; it goes before what the file's header says.
    """

    path: str
    size: int
    mtime_ns: int
    stated: Attributes = UNKNOWN


def list_archive(archive: Path) -> tuple[list[ListedFile], int]:
    """List the files to audit, sorted by path, and how many rows of the manifest repeat one.

    Args:
        archive: Folder, searched with its subfolders; or a CSV or Parquet table with the column ``path`` and, if
            wanted, ``site``, ``operator``, ``study`` and ``date``. Its relative paths start at its own folder.

    Raises:
        DatasetError: If there is nothing to audit or the manifest cannot be used as it is.
    """
    if archive.is_dir():
        found = [_listed(_absolute(path), UNKNOWN) for path in find_sources([archive]) if path.is_file()]
        if not found:
            msg = f"{archive}: no file of ultrasound frames below this folder. Check the path."
            raise DatasetError(msg)
        return sorted(found, key=lambda file: file.path), 0
    if not archive.is_file():
        msg = f"{archive}: no such folder or manifest. Expected a folder, or a CSV or Parquet table of paths."
        raise DatasetError(msg)
    rows = _parquet_rows(archive) if archive.suffix.lower() in (".parquet", ".pq") else read_rows(archive)
    require_columns(rows, ("path",), archive)
    return _from_rows(rows, archive)


def fingerprint(files: Iterable[ListedFile]) -> str:
    """Return a SHA-256 that changes when any of the files, or what is stated about it, does."""
    digest = hashlib.sha256()
    for file in files:
        cells = (file.path, file.size, file.mtime_ns, *astuple(file.stated))
        digest.update("\0".join(map(str, cells)).encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def _absolute(path: Path) -> str:
    return os.path.normpath(path.absolute())  # links stay: the name in the results is the one that was given


def _listed(path: str, stated: Attributes) -> ListedFile:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):  # opening it will say what is wrong
        return ListedFile(path, -1, -1, stated)
    return ListedFile(path, found.st_size, found.st_mtime_ns, stated)


def _from_rows(rows: Sequence[Row], manifest: Path) -> tuple[list[ListedFile], int]:
    first: dict[str, tuple[Row, Attributes]] = {}
    for row in rows:
        path, stated = _absolute(manifest.parent / row.text("path")), _stated(row)
        known, before = first.setdefault(path, (row, stated))
        if before != stated:
            msg = f"{row.where}: {path} is listed already in {known.where}, with other values. Remove one of the rows."
            raise DatasetError(msg)
    files = [_listed(path, stated) for path, (_, stated) in sorted(first.items())]
    return files, len(rows) - len(files)


def _stated(row: Row) -> Attributes:
    text = row.cells.get("date", "")
    date = parse_date(text)
    if text and date is None:
        msg = f"{row.where}: column 'date' must hold a date such as 2024-01-31, or be empty, got {text!r}."
        raise DatasetError(msg)
    return Attributes(
        study_instance_uid=row.cells.get("study", ""),
        site=row.cells.get("site", ""),
        operator=row.cells.get("operator", ""),
        date=date,
    )


def _parquet_rows(manifest: Path) -> list[Row]:
    try:
        table = pyarrow.parquet.read_table(manifest)
    except ARROW_ERRORS as error:
        msg = f"{manifest}: not a Parquet table ({' '.join(str(error).split())[:100]}). Write it again, or give a CSV."
        raise DatasetError(msg) from error
    table = table.rename_columns([column_name(name) for name in table.column_names])
    columns = {name: table[name].to_pylist() for name in MANIFEST_COLUMNS if table.column_names.count(name) == 1}
    if not table.num_rows or not columns:
        msg = f"{manifest}: the table has no rows with a 'path'; its columns are: {', '.join(table.column_names)}."
        raise DatasetError(msg)
    return [
        Row(
            {name: "" if cells[i] is None else str(cells[i]).strip() for name, cells in columns.items()},
            f"{manifest}, row {i + 1}",
        )
        for i in range(table.num_rows)
    ]
