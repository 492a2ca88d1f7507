"""ACOUSLIC-AI data set (blind sweeps over the fetal abdomen) in its official layout.

Cite when using the data: the ACOUSLIC-AI challenge, MICCAI 2024 (Sappia et al.). A mask marks the abdomen in frames
that are optimal (value 1) or suboptimal (value 2) for measuring it. Most frames of a sweep show no abdomen and are not
marked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from striq.data.datasets.table import read_rows, require_columns
from striq.data.readers.metaimage import stored_values
from striq.errors import DatasetError
from striq.progress_bar import track
from striq.types import FrameRecord

PLANE = "fetal_abdomen"
SWEEPS, MASKS = Path("images") / "stacked_fetal_ultrasound", Path("masks") / "stacked_fetal_abdomen"
TABLE = Path("circumferences") / "fetal_abdominal_circumferences_per_sweep.csv"
OPTIMAL, SUBOPTIMAL = 1, 2  # values of the masks
RATINGS = {OPTIMAL: 2.0, SUBOPTIMAL: 1.0}
UNMARKED = 0.0  # rating of a frame that shows no abdomen
FRAME_AXIS = 2  # of the files, whose headers do not say which axis is time


def load_acouslic(root: Path) -> list[FrameRecord]:
    """List the marked frames of every sweep, and as many unmarked ones, evenly spaced; a group is a subject.

    Convention:
        - Ratings: 2 for optimal, 1 for suboptimal frames, 0 for frames that show no abdomen.
        - The masks are read, which takes time: they say which frames are marked.

    Args:
        root: Folder with ``images``, ``masks`` and ``circumferences``.

    Raises:
        DatasetError: If a table, a column, a sweep or a mask is missing.
        ReadError: If a mask cannot be read.
    """
    table = root / TABLE
    rows = read_rows(table)
    require_columns(rows, ("uuid", "subject_id"), table)
    records: list[FrameRecord] = []
    for row in track(rows, description="Reading masks", total=len(rows)):
        name = f"{row.text('uuid')}.mha"
        for file in (root / SWEEPS / name, root / MASKS / name):
            if not file.is_file():
                msg = f"{row.where}: no file {file.relative_to(root).as_posix()}. Unpack the whole archive."
                raise DatasetError(msg)
        ratings = frame_ratings(root / MASKS / name)
        group = f"subject_{row.text('subject_id')}"
        sweep = root / SWEEPS / name
        records += [FrameRecord(sweep, PLANE, group, index, value, FRAME_AXIS) for index, value in ratings.items()]
    return records


def frame_ratings(mask: Path) -> Mapping[int, float]:
    """Return the ratings of the frames of a sweep that are listed, by index, in order.

    Raises:
        ReadError: If the mask cannot be read.
    """
    values = [int(frame.max()) for frame in stored_values(mask)]
    marked = {index: RATINGS[value] for index, value in enumerate(values) if value in RATINGS}
    others = [index for index, value in enumerate(values) if value not in RATINGS]
    places = np.unique(np.linspace(0, len(others) - 1, min(len(others), max(1, len(marked)))).round().astype(int))
    return dict(sorted({**marked, **{others[place]: UNMARKED for place in places.tolist()}}.items()))
