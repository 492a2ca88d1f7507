"""A network as PyTorch's tracer records it, in a form that ``torch.jit.script`` takes."""

from __future__ import annotations

import warnings
from typing import cast

import torch
from torch import Tensor, nn


class TracedNetwork(nn.Module):
    """One tensor in, one out, computed by the recorded operations of another network.

    Args:
        network: What to record, in evaluation mode.
        example: Input to record with; the size of its batch does not matter.
    """

    def __init__(self, network: nn.Module, example: Tensor) -> None:
        super().__init__()
        with torch.no_grad(), warnings.catch_warnings():
            # Sizes that the tracer keeps are those of the feature maps, which are fixed.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)  # pyright: ignore[reportPrivateImportUsage]
            self.network = cast("nn.Module", torch.jit.trace(network, example, check_trace=False))

    def forward(self, image: Tensor) -> Tensor:
        """Return the network's output."""
        return self.network(image)
