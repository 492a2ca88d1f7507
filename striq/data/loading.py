"""Loading of a data set's frames as prepared images."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from striq.data.preprocessing import prepare_frame
from striq.data.readers import open_cine
from striq.errors import DatasetError, ReadError, as_read_error
from striq.progress_bar import track
from striq.types import Frame, FrameRecord

logger = logging.getLogger(__name__)


def load_images(records: Sequence[FrameRecord], size: tuple[int, int], *, quiet: bool = False) -> Tensor:
    """Read and prepare frames, shape ``(N, 1, H, W)``.

    Args:
        records: Frames to read.
        size: Rows and columns of the prepared images.
        quiet: Whether to hide the progress bar.

    Raises:
        ReadError: If a file cannot be read.
    """
    return torch.stack(list(iterate_images(records, size, quiet=quiet)))


def load_readable_images(
    records: Sequence[FrameRecord],
    size: tuple[int, int],
    *,
    quiet: bool = False,
    left_out: list[tuple[FrameRecord, str]] | None = None,
) -> tuple[list[FrameRecord], Tensor]:
    """Read and prepare the frames that can be read; each other one is logged as a warning and left out.

    Args:
        records: Frames to read.
        size: Rows and columns of the prepared images.
        quiet: Whether to hide the progress bar.
        left_out: Takes each frame that is left out, with the reason.

    Returns:
        Records of the frames that were read, and their images, shape ``(N, 1, H, W)``.

    Raises:
        DatasetError: If no frame can be read.
    """
    kept: list[FrameRecord] = []
    images: list[Tensor] = []
    for record in track(records, description="Reading frames", quiet=quiet):
        try:
            images.append(_prepare(record, size))
        except ReadError as error:
            logger.warning("Left out: %s", error)
            if left_out is not None:
                left_out.append((record, str(error)))
            continue
        kept.append(record)
    if len(kept) < len(records):
        logger.warning("%d of %d frames left out, because they cannot be read.", len(records) - len(kept), len(records))
    if not images:
        msg = f"None of the {len(records)} frames can be read. Check the files of the data set."
        raise DatasetError(msg)
    return kept, torch.stack(images)


def iterate_images(records: Sequence[FrameRecord], size: tuple[int, int], *, quiet: bool = False) -> Iterator[Tensor]:
    """Yield the frames that :func:`load_images` returns one at a time, each ``(1, H, W)``, to save memory.

    Args:
        records: Frames to read.
        size: Rows and columns of the prepared images.
        quiet: Whether to hide the progress bar.

    Raises:
        ReadError: If a file cannot be read.
    """
    for record in track(records, description="Reading frames", quiet=quiet):
        yield _prepare(record, size)


def read_frame(record: FrameRecord) -> Frame:
    """Read one frame.

    Raises:
        ReadError: If the file cannot be read, or has no such frame.
    """
    cine, index = open_cine(record.path, frame_axis=record.frame_axis), record.frame_index
    where = f"{record.path}, frame {index}"
    if index >= len(cine):
        raise ReadError(
            what="There is no such frame",
            where=where,
            expected=f"a frame from 0 to {len(cine) - 1}",
            got=str(index),
            remedy="Correct the list of frames.",
        )
    with as_read_error(where):
        return cine[index]


def _prepare(record: FrameRecord, size: tuple[int, int]) -> Tensor:
    frame = read_frame(record)
    with as_read_error(f"{record.path}, frame {record.frame_index}"):
        return prepare_frame(frame, size)
