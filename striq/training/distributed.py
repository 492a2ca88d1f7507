"""Training in several processes: one per GPU, or, without a GPU, on the CPU over gloo."""

from __future__ import annotations

import os

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


def local_device() -> torch.device:
    """Join the process group if this process has not yet, and return its device.

    Raises:
        ValueError: If the launcher set no environment; start with ``torchrun``.
    """
    with_gpu = torch.cuda.is_available()
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if with_gpu else "gloo", init_method="env://")
    if not with_gpu:
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device


def distribute(network: nn.Module, device: torch.device) -> DistributedDataParallel:
    """Return the network with gradients averaged over the processes.

    Args:
        network: Network to train; every process has the same.
        device: What :func:`local_device` returned.
    """
    device_ids = [device] if device.type == "cuda" else None
    return DistributedDataParallel(network.to(device), device_ids=device_ids, find_unused_parameters=True)


def is_first() -> bool:
    """Return whether this is the first process, or the only one; it alone writes files."""
    return rank() == 0


def rank() -> int:
    """Return the number of this process; 0 where there is only one."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def wait() -> None:
    """Wait until every process reaches this call."""
    if distributed.is_initialized():
        distributed.barrier()


def leave() -> None:
    """Leave the process group."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
