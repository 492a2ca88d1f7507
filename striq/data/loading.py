"""Prepared training images of a data set's records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from rich.progress import track
from torch import Tensor

from striq.data.preprocessing import prepare_frame
from striq.data.readers import open_cine
from striq.types import FrameRecord


def load_images(records: Sequence[FrameRecord], size: tuple[int, int], *, quiet: bool = False) -> Tensor:
    """Read and prepare the frames of records, shape ``(N, 1, H, W)``.

    Args:
        records: Frames to read.
        size: Rows and columns wanted.
        quiet: Do not show a progress bar.

    Raises:
        ReadError: If a file cannot be read.
    """
    return torch.stack(list(iterate_images(records, size, quiet=quiet)))


def iterate_images(records: Sequence[FrameRecord], size: tuple[int, int], *, quiet: bool = False) -> Iterator[Tensor]:
    """Yield what :func:`load_images` returns frame by frame, each ``(1, H, W)``, so that many stay out of memory."""
    for record in track(records, description="Reading frames", disable=quiet, transient=True):
        yield prepare_frame(open_cine(record.path)[record.frame_index], size)
