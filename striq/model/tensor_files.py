"""Reading of files of tensors: plain containers only, never code, and no more than a limit."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striq.errors import CheckpointError, one_line

MAX_BYTES = 2**32  # of all content; a model takes a hundredth of it


def read_tensors(file: Path, expected: str) -> dict[str, Any]:
    """Return the state dict in a ``.pt`` or ``.pth`` file, or the arrays of an ``.npz`` file.

    Args:
        file: Existing file.
        expected: What the file should be, for messages.

    Raises:
        CheckpointError: If it is damaged, of another kind, or too large.
    """
    try:
        _refuse_bomb(file)
        if file.suffix == ".npz":
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        state = torch.load(file, map_location="cpu", weights_only=True)
        _refuse_views(state)
    except Exception as error:  # torch raises many kinds for a damaged file; all mean the same to the user
        # What torch says of a file that is no archive is about its options.
        reason = one_line(error)[:100] if zipfile.is_zipfile(file) else "no archive of tensors"
        msg = f"{file}: cannot be read as a checkpoint ({reason}). Expected {expected}."
        raise CheckpointError(msg) from error
    return state


def _refuse_bomb(file: Path) -> None:
    """Check the stated sizes in a ZIP archive, which is what all these files are, before anything is read."""
    num_bytes = file.stat().st_size
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            num_bytes = sum(entry.file_size for entry in archive.infolist())
    if num_bytes > MAX_BYTES:
        msg = f"its content takes {num_bytes} bytes, more than {MAX_BYTES}"
        raise ValueError(msg)


def _refuse_views(state: Any) -> None:
    """Check that this is a dictionary, and no tensor larger than what is stored of it, as an expanded number is."""
    if not isinstance(state, dict):
        msg = f"it holds a {type(state).__name__}"
        raise TypeError(msg)
    for name, value in state.items():
        if isinstance(value, Tensor):
            if value.layout != torch.strided or value.numel() * value.element_size() > value.untyped_storage().nbytes():
                msg = f"the tensor {str(name)[:60]!r} is not stored as a whole"
                raise ValueError(msg)
        elif isinstance(value, dict):
            _refuse_views(value)
