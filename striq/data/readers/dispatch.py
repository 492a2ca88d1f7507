"""Opening of a file with the reader of its format, and search of folders for readable files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from striq.csv_cells import printable
from striq.data.cine import Cine
from striq.data.readers.folders import may_hold_sources, scan_folder
from striq.data.readers.formats import Format, known_suffixes, recognize_format
from striq.data.readers.reader_errors import one_line
from striq.errors import ReadError, as_read_error

logger = logging.getLogger(__name__)


def open_cine(path: str | Path, *, frame_axis: int | None = None) -> Cine:
    """Open a file as a cine. Its content decides which reader is used, or else its suffix.

    Args:
        path: File to read.
        frame_axis: Axis that counts the frames of a NIfTI, MetaImage or NRRD file, where axis 0 varies fastest in the
            file. By default, the header decides. Other formats ignore this argument.

    Raises:
        ReadError: If there is no such file, or the file cannot be read as frames.
    """
    path = Path(path)
    with as_read_error(path):
        try:
            return _format_of(path).open(path, frame_axis=frame_axis)
        except OSError as error:
            raise ReadError(
                what="The file cannot be opened",
                where=path,
                expected="a file that you may read",
                got=one_line(error),
                remedy="Check its permissions.",
            ) from error


def find_sources(paths: Iterable[str | Path]) -> list[Path]:
    """Replace folders by the readable files in them and in their subfolders, sorted.

    Linked folders are searched. Files of other types are skipped and counted in a logged warning. So are masks and
    annotation pictures (``001_HC_Annotation.png``, a folder ``masks``); to read one, name the file itself. Hidden
    folders and those of the system (:mod:`striq.data.readers.folders`) are not searched. An entry that cannot be
    read is returned, so that opening it reports the problem. The ``.raw`` file of a ``.mhd`` header is skipped,
    because the header stands for both. A path that is not a folder, or a folder without readable files, is returned
    unchanged, so that opening it reports the problem.
    """
    sources: dict[Path, None] = {}
    for path in map(Path, paths):
        files: list[Path] = []
        if path.is_dir():
            scan = scan_folder(path)
            files = scan.files
            if scan.num_other:
                logger.warning("%s: files of other types left out: %d.", printable(str(path)), scan.num_other)
            if scan.num_annotations:
                message = "%s: masks and annotation pictures left out by their names: %d."
                logger.warning(message, printable(str(path)), scan.num_annotations)
        sources.update(dict.fromkeys(files or [path]))
    return list(sources)


def _format_of(path: Path) -> Format:
    """Return the format of a file.

    Raises:
        ReadError: If the path is not a file or the format is unknown.
    """
    if path.is_dir():
        with os.scandir(path):  # raises if the folder cannot be read
            pass
        has_sources = may_hold_sources(path)  # and not their number, because the folder may be a whole disk
        raise ReadError(
            what="This is a folder" if has_sources else "The folder contains no readable file",
            where=path,
            expected="one file" if has_sources else f"at least one of {known_suffixes()}",
            got="a folder" if has_sources else "a folder without such files",
            remedy="Give one of its files." if has_sources else "Check the path.",
        )
    if not path.is_file():
        raise ReadError(
            what="There is no such file",
            where=path,
            expected="an existing file",
            got="nothing",
            remedy="Check the path.",
        )
    is_empty = path.stat().st_size == 0
    file_format = recognize_format(path)
    if is_empty or file_format is None:
        raise ReadError(
            what="This is not a file of ultrasound frames",
            where=path,
            expected=f"content or a suffix of a known format ({known_suffixes()})",
            got="an empty file" if is_empty else f"suffix {path.suffix.lower()!r} and unknown content",
            remedy="Copy or export the file again."
            if is_empty
            else "Name the header (.mhd) instead of its .raw, or export the frames in a known format.",
        )
    return file_format
