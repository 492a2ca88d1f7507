"""Frames that the user has given to a command, or those of a phantom drawn in their place."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from striq.errors import StriqError
from striq.types import FrameRecord

if TYPE_CHECKING:
    from striq.baselines.extras import BaselineExtras

PHANTOM_SUBJECTS, PHANTOM_FRAMES = 40, 4  # of the phantom drawn if no data set is given
PHANTOM_NOTE = "Synthetic phantom, not patients."
VIEWS = {"2ch": "two-chamber", "4ch": "four-chamber"}


def read_records(
    dataset: Path | None,
    out: Path,
    *,
    planes: Sequence[str] | None = None,
    layout: str = "auto",
    group_pattern: str | None = None,
    rating_table: Path | None = None,
    seed: int = 0,
    subjects: int | None = None,
) -> tuple[list[FrameRecord], str]:
    """Return the frames of a data set, and a note that belongs with every result on them.

    Args:
        dataset: Folder or CSV list; a phantom drawn in ``out`` by default.
        out: Folder for the phantom.
        planes: Planes to keep; all by default.
        layout: Layout of the data set, one of ``LAYOUTS``.
        group_pattern: Regular expression that finds the group in a file name.
        rating_table: CSV of ratings.
        seed: Seed of the phantom.
        subjects: Number of subjects of the phantom.

    Raises:
        DatasetError: If the data set cannot be used as given.
    """
    from striq.data.datasets import load_dataset, recognize_layout

    if dataset is None:
        return load_dataset(phantom_table(out, planes, seed, subjects), planes=planes), PHANTOM_NOTE
    found = recognize_layout(dataset) if layout == "auto" else layout
    flat_plane = planes[0] if planes and len(planes) == 1 and found == "flat" else None
    with _stand_in_notes() as notes:
        records = load_dataset(
            dataset,
            layout=cast("Any", found),
            planes=planes,
            plane=flat_plane,
            rating_table=rating_table,
            group_pattern=group_pattern,
        )
    return records, join_notes(*notes)


def baseline_extras(
    boxes: Path | None,
    clip: Path | None,
    out: Path,
    dataset: Path | None,
    planes: Sequence[str] | None,
    seed: int,
    subjects: int | None = None,
) -> BaselineExtras:
    """Return what some baselines need beside frames; boxes of the phantom if no data set is given.

    Args:
        boxes: Table of boxes.
        clip: Folder of a CLIP model.
        out: Folder of the phantom.
        dataset: Folder or CSV list of frames, if one is given.
        planes: Planes of the phantom.
        seed: Seed of the phantom.
        subjects: Subjects of the phantom.

    Raises:
        DatasetError: If the table cannot be used.
    """
    from striq.baselines.extras import BaselineExtras
    from striq.data.phantom.storage import BOXES_NAME

    if boxes is None and dataset is None:
        found = phantom_table(out, planes, seed, subjects).with_name(BOXES_NAME)
        boxes = found if found.is_file() else None  # a phantom of an earlier version has none
    return BaselineExtras.read(boxes, clip)


@dataclass(frozen=True)
class FramesOptions:
    """Frames that the user has given, if any.

    Attributes:
        place: Folder or CSV list.
        layout: Layout of the data set, one of ``LAYOUTS``.
        group_pattern: Regular expression that finds the group in a file name.
    """

    place: Path | None
    layout: str = "auto"
    group_pattern: str | None = None

    def read(self, planes: Sequence[str] | None = None) -> list[FrameRecord]:
        """Return the frames of some planes, all by default; none if none were given."""
        if self.place is None:
            return []
        settings: dict[str, Any] = {"layout": self.layout, "group_pattern": self.group_pattern}
        return read_records(self.place, self.place.parent, planes=planes, **settings)[0]


def check_drawable(planes: Sequence[str] | None) -> Sequence[str]:
    """Return the planes that a phantom shall have; all by default.

    Raises:
        StriqError: If the phantom cannot draw one of them.
    """
    from striq.data.phantom import PHANTOM_PLANES, drawable_planes

    unknown = sorted(set(planes or ()) - set(drawable_planes(planes or ())))
    if unknown:
        msg = f"The phantom has no plane {unknown[0]!r}; choose among: {', '.join(PHANTOM_PLANES)}."
        raise StriqError(msg)
    return planes or PHANTOM_PLANES


def phantom_table(out: Path, planes: Sequence[str] | None, seed: int, subjects: int | None = None) -> Path:
    """Return the table of a phantom in ``out``, which is drawn now if it is not there."""
    from striq.data.phantom import write_phantom
    from striq.data.phantom.storage import TABLE_NAME

    chosen = check_drawable(planes)
    size = "" if subjects is None else f"_{subjects}"
    folder = out / "-".join([f"phantom_seed{seed}{size}", *(planes or ())])
    table = folder / TABLE_NAME
    if table.is_file():  # the table is written last, so the folder is complete
        return table
    return write_phantom(folder, subjects or PHANTOM_SUBJECTS, PHANTOM_FRAMES, planes=chosen, seed=seed)


def join_notes(*notes: str) -> str:
    """Return the notes that are not empty as one text."""
    return " ".join(note for note in notes if note)


@contextmanager
def _stand_in_notes() -> Generator[list[str], None, None]:
    """Collect a sentence for each warning of the CAMUS reader that it uses grades of another view."""
    notes: list[str] = []
    logger, handler = logging.getLogger("striq.data.datasets.camus"), logging.Handler(logging.WARNING)

    def note(record: logging.LogRecord) -> None:
        match record.args:
            case (table, view, str(column)) if column[-3:] in VIEWS:
                sentence = f"The grades of {view} come from the {VIEWS[column[-3:]]} file"
                notes.append(f"{sentence} ({Path(str(table)).name}, column {column}): a stand-in.")
            case _:
                notes.append(record.getMessage())

    handler.emit = note
    logger.addHandler(handler)
    try:
        yield notes
    finally:
        logger.removeHandler(handler)
