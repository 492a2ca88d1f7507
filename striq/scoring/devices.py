"""Devices of PyTorch: which one to compute on, and whether it can."""

from __future__ import annotations

import torch

from striq.errors import StriqError

AUTO = "auto"


def pick_device(device: str) -> torch.device:
    """Return the device named, or for ``"auto"`` the best one present."""
    if device != AUTO:
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def check_device(device: str) -> str:
    """Return the name of a device that can compute.

    Raises:
        StriqError: If there is no such device on this machine.
    """
    try:
        if device != AUTO:
            torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either, depending on its build
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if reason.startswith("Expected one of"):  # and a list of all kinds that PyTorch has a name for
            reason = "there is no such kind of device."
        msg = f"Cannot compute on --device {device!r}: {reason} Use auto, cpu, cuda or mps."
        raise StriqError(msg) from error
    return device


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the memory of an accelerator has run out."""
    # MPS has no class of its own for this.
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "out of memory" in str(error)
    )
