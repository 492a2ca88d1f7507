"""Files of an archive: those below a folder, or those listed in a manifest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path

from striq.audit.attributes import UNKNOWN, Attributes, parse_date, read_attributes
from striq.audit.parquet import PARQUET_ERRORS, pyarrow
from striq.data.datasets.table import Row, column_name, read_rows, require_columns
from striq.data.readers import find_sources
from striq.errors import DatasetError

MANIFEST_COLUMNS = ("path", "site", "operator", "study", "date", "examination")


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file to audit, as it was listed.

    Attributes:
        path: Absolute path.
        size: Size in bytes; -1 if the file does not exist.
        mtime_ns: Time of the last change in nanoseconds; -1 if the file does not exist.
        stated: Values from the manifest, which take precedence over the file's header.
    """

    path: str
    size: int
    mtime_ns: int
    stated: Attributes = UNKNOWN

    @property
    def stated_digest(self) -> str:
        """A SHA-256 of the values from the manifest; empty if there are none."""
        if self.stated == UNKNOWN:
            return ""
        cells = "\0".join(map(str, astuple(self.stated)))
        return hashlib.sha256(cells.encode("utf-8", "surrogateescape")).hexdigest()

    def origin(self) -> Attributes:
        """Return the attributes of the file; values from the manifest take precedence over those of its header."""
        stated = {name: value for name, value in asdict(self.stated).items() if value}
        return replace(read_attributes(Path(self.path)), **stated)


def list_archive(archive: Path) -> tuple[list[ListedFile], int]:
    """Return the files to audit, sorted by path, and the number of manifest rows that repeat a file.

    Args:
        archive: Folder, searched recursively; or a CSV or Parquet table with the column ``path`` and the optional
            columns ``site``, ``operator``, ``study``, ``date`` and ``examination``. Relative paths start at
            the folder of the table.

    Raises:
        DatasetError: If there is nothing to audit or the manifest is not usable.
    """
    if archive.is_dir():
        found = [_listed(_absolute(path), UNKNOWN) for path in find_sources([archive]) if path != archive]
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


def _absolute(path: Path) -> str:
    return os.path.normpath(path.absolute())  # not resolved: results name links as they were given


def _listed(path: str, stated: Attributes) -> ListedFile:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):  # reported when the file is opened
        return ListedFile(path, -1, -1, stated)
    return ListedFile(path, found.st_size, found.st_mtime_ns, stated)


def _from_rows(rows: Sequence[Row], manifest: Path) -> tuple[list[ListedFile], int]:
    first: dict[str, tuple[Row, Attributes]] = {}
    for row in rows:
        path, stated = _absolute(manifest.parent / row.text("path")), _stated(row)
        known, before = first.setdefault(path, (row, stated))
        if before != stated:
            msg = f"{row.where}: {path} is also listed in {known.where}, with other values. Remove one of the rows."
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
        examination=row.cells.get("examination", ""),
    )


def _parquet_rows(manifest: Path) -> list[Row]:
    try:
        table = pyarrow.parquet.read_table(manifest)
    except PARQUET_ERRORS as error:
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
