"""Wrapper that traces a network so that it can be part of a scripted module."""

from __future__ import annotations

import warnings
from typing import cast

import torch
from torch import Tensor, nn


class TracedNetwork(nn.Module):
    """A traced network with one input and one output tensor, which ``torch.jit.script`` accepts.

    Args:
        network: Network to trace, in evaluation mode.
        example: Example input; its batch size does not matter.
    """

    def __init__(self, network: nn.Module, example: Tensor) -> None:
        super().__init__()
        with torch.no_grad(), warnings.catch_warnings():
            # The tracer warns that it turns sizes into constants; these are the sizes of feature maps, which are fixed.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)  # pyright: ignore[reportPrivateImportUsage]
            self.network = cast("nn.Module", torch.jit.trace(network, example, check_trace=False))

    def forward(self, image: Tensor) -> Tensor:
        """Return the network's output.

        Args:
            image: Input of the traced network, in the shape of the example.
        """
        return self.network(image)
