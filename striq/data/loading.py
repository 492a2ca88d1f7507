"""Loading of a data set's frames as prepared images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from rich.progress import track
from torch import Tensor

from striq.data.preprocessing import prepare_frame
from striq.data.readers import open_cine
from striq.types import FrameRecord


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


def iterate_images(records: Sequence[FrameRecord], size: tuple[int, int], *, quiet: bool = False) -> Iterator[Tensor]:
    """Yield the frames that :func:`load_images` returns one at a time, each ``(1, H, W)``, to save memory.

    Args:
        records: Frames to read.
        size: Rows and columns of the prepared images.
        quiet: Whether to hide the progress bar.

    Raises:
        ReadError: If a file cannot be read.
    """
    for record in track(records, description="Reading frames", disable=quiet, transient=True):
        yield prepare_frame(open_cine(record.path)[record.frame_index], size)
