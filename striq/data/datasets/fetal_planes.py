"""FETAL_PLANES_DB data set (common maternal-fetal planes) in its official layout; it has no quality ratings.

Cite when using the data: Burgos-Artizzu et al., "Evaluation of deep convolutional neural networks for automatic
classification of common maternal fetal ultrasound planes", Scientific Reports 2020.
"""

from __future__ import annotations

from pathlib import Path

from striq.data.datasets.table import Row, read_rows, require_columns
from striq.errors import DatasetError
from striq.types import FrameRecord

TABLE, FOLDER = "FETAL_PLANES_DB_data.csv", "Images"
COLUMNS = ("image_name", "patient_num", "plane")


def load_fetal_planes(root: Path) -> list[FrameRecord]:
    """List the frames of the table; a plane is named as there, such as ``fetal_abdomen``, and a group is a patient.

    Args:
        root: Folder with ``FETAL_PLANES_DB_data.csv`` and ``Images``.

    Raises:
        DatasetError: If the table, one of its columns or an image is missing.
    """
    table = root / TABLE
    rows = read_rows(table, delimiter=";")
    require_columns(rows, COLUMNS, table)
    return [_record(row, root) for row in rows]


def _record(row: Row, root: Path) -> FrameRecord:
    file = root / FOLDER / f"{row.text('image_name')}.png"
    if not file.is_file():
        msg = f"{row.where}: no image {FOLDER}/{file.name}. Unpack the whole archive."
        raise DatasetError(msg)
    return FrameRecord(file, row.text("plane").lower().replace(" ", "_"), f"patient_{row.text('patient_num')}")
