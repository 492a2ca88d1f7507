"""Frames for the pretraining: any readable files, and the phantom. No plane, no group and no rating is used."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from striq.config import EncoderConfig
from striq.data.phantom import make_phantom
from striq.data.preprocessing import prepare_frame
from striq.data.readers import find_sources, open_cine
from striq.errors import DatasetError, ReadError
from striq.types import Frame

logger = logging.getLogger(__name__)
PHANTOM_SEED = 12345  # subjects that no default training or evaluation uses
PHANTOM_FRAMES = 3  # of each subject and plane


def gather_images(
    paths: Sequence[str | Path], *, phantom_subjects: int = 30, frames_per_file: int = 1, quiet: bool = False
) -> Tensor:
    """Return prepared frames of the phantom and of files, shape ``(N, 1, H, W)``; what cannot be read is left out.

    Args:
        paths: Files and folders.
        phantom_subjects: Subjects of the synthetic phantom, each of all six planes; 0 for none.
        frames_per_file: At most so many frames of a cine, evenly spaced from its first.
        quiet: Do not show progress.

    Raises:
        DatasetError: If nothing can be read.
    """
    size = EncoderConfig().size
    images = []
    if phantom_subjects:
        made = make_phantom(phantom_subjects, PHANTOM_FRAMES, seed=PHANTOM_SEED)
        images = [prepare_frame(Frame(picture.pixels), size) for picture in made]
    sources = find_sources(paths) if paths else []
    for path in track(sources, description="Frames", disable=quiet):
        try:
            cine = open_cine(path)
            chosen = np.linspace(0, len(cine), min(frames_per_file, len(cine)), endpoint=False).astype(int)
            images.extend([prepare_frame(cine[int(index)], size) for index in chosen])
        except ReadError as error:
            logger.warning("Left out: %s", error)
    if not images:
        where = ", ".join(map(str, paths)) or "no path"
        msg = (
            f"{where}: nothing to pretrain on. Expected at least one readable frame, got none. Name folders of frames."
        )
        raise DatasetError(msg)
    return torch.stack(images)
