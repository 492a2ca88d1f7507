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
    """Return prepared frames of the phantom and of files, shape ``(N, 1, H, W)``, and log how many each source gives.

    Unreadable files are skipped with a warning.

    Args:
        paths: Files and folders.
        phantom_subjects: Number of synthetic subjects, each with all six planes; 0 for none.
        frames_per_file: Largest number of frames taken from a cine, evenly spaced from its first.
        quiet: Whether to hide the progress bar.

    Raises:
        DatasetError: If paths are given and none has a readable frame, or if there are no frames at all.
    """
    size = EncoderConfig().size
    path_of: dict[Path, str | Path] = {}
    for path in paths:
        path_of |= {source: path for source in find_sources([path]) if source not in path_of}
    counts, images, problems = dict.fromkeys(paths, 0), list[Tensor](), list[ReadError]()
    for source in track(list(path_of), description="Frames", quiet=quiet):
        try:
            cine = open_cine(source)
            indices = np.linspace(0, len(cine), min(frames_per_file, len(cine)), endpoint=False).astype(int)
            read = [prepare_frame(cine[int(index)], size) for index in indices]
        except ReadError as error:
            problems.append(error)
        else:
            images += read
            counts[path_of[source]] += len(read)
    if not images and (paths or not phantom_subjects):
        where, why = ", ".join(map(str, paths)) or "no path", f" ({problems[0].what})" if problems else ""
        remedy = "Name other folders, or none to use the phantom alone."
        msg = f"{where}: no frames for pretraining. Expected at least one readable frame, got none{why}. {remedy}"
        raise DatasetError(msg)
    for problem in problems:
        logger.warning("Skipped: %s", problem)
    for path, count in counts.items():
        logger.info("Frames of %s: %d.", path, count)
    if phantom_subjects:
        phantom = make_phantom(phantom_subjects, PHANTOM_FRAMES, seed=PHANTOM_SEED)
        images = [*(prepare_frame(Frame(frame.pixels), size) for frame in phantom), *images]
        logger.info("Frames of the phantom: %d.", len(phantom))
    return torch.stack(images)
