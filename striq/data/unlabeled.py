"""Frames for pretraining, from files and from the phantom, without planes, groups or ratings."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from striq.config import EncoderConfig
from striq.data.phantom import make_phantom
from striq.data.preprocessing import prepare_frame
from striq.data.readers import find_sources, open_cine
from striq.errors import DatasetError, ReadError
from striq.progress_bar import track
from striq.types import Frame

logger = logging.getLogger(__name__)
PHANTOM_SEED = 12345  # gives subjects that no default training or evaluation uses
PHANTOM_FRAMES = 3  # per subject and plane


def gather_images(
    paths: Sequence[str | Path], *, phantom_subjects: int = 30, frames_per_file: int = 1, quiet: bool = False
) -> Tensor:
    """Return prepared frames of the phantom and of files, shape ``(N, 1, H, W)``; unreadable files are skipped.

    Args:
        paths: Files and folders.
        phantom_subjects: Number of synthetic subjects, each with all six planes; 0 for none.
        frames_per_file: Largest number of frames taken from a cine, evenly spaced from its first.
        quiet: Whether to hide the progress bar.

    Raises:
        DatasetError: If there are no readable frames.
    """
    size = EncoderConfig().size
    images: list[Tensor] = []
    if phantom_subjects:
        phantom = make_phantom(phantom_subjects, PHANTOM_FRAMES, seed=PHANTOM_SEED)
        images = [prepare_frame(Frame(frame.pixels), size) for frame in phantom]
    sources = find_sources(paths) if paths else []
    for path in track(sources, description="Frames", quiet=quiet):
        try:
            cine = open_cine(path)
            indices = np.linspace(0, len(cine), min(frames_per_file, len(cine)), endpoint=False).astype(int)
            images.extend([prepare_frame(cine[int(index)], size) for index in indices])
        except ReadError as error:
            logger.warning("Skipped: %s", error)
    if not images:
        where = ", ".join(map(str, paths)) or "no path"
        msg = f"{where}: no frames for pretraining. Expected at least one readable frame, got none. Name other folders."
        raise DatasetError(msg)
    return torch.stack(images)
