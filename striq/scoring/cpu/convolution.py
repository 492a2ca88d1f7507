"""Convolutions with batch normalization folded in, and weights arranged once where the library allows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights


@dataclass(frozen=True)
class Convolution:
    """A convolution and what is added, ready to be called.

    Attributes:
        weight: Shape ``(out, C, rows, columns)``; in an arrangement of oneDNN's own where ``arranged``.
        bias: Shape ``(out,)``.
        stride: Rows and columns.
        padding: Rows and columns.
        arranged: Whether oneDNN has arranged the weight, which it does at every call otherwise.
    """

    weight: Tensor
    bias: Tensor
    stride: Sequence[int]
    padding: Sequence[int]
    arranged: bool = False

    @classmethod
    def of(cls, convolution: Any, norm: Any) -> Convolution:
        """Return a convolution with the batch normalization behind it folded in."""
        weight, bias = fuse_conv_bn_weights(
            convolution.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        return cls(weight.detach(), bias.detach(), list(convolution.stride), list(convolution.padding))

    def ready(self, dtype: torch.dtype, size: tuple[int, int]) -> Convolution:
        """Return the convolution in a precision, as fast as it gets.

        Args:
            dtype: Of the products.
            size: Rows and columns of the maps it will see; others are right too, if slower.
        """
        weight, bias = self.weight.to(dtype, memory_format=torch.channels_last), self.bias.to(dtype)
        plain = Convolution(weight, bias, self.stride, self.padding)
        fast = weight.device.type == "cpu" and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        return plain.arrange(size) if fast and arranging_works(dtype) else plain

    def arrange(self, size: tuple[int, int]) -> Convolution:
        """Return the convolution with its weight arranged for maps of ``size``, by operations PyTorch may change."""
        seen = [1, self.weight.shape[1], *size]
        weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self._shape, seen)
        return Convolution(weight, self.bias, self.stride, self.padding, arranged=True)

    def __call__(self, maps: Tensor, *, rectified: bool = False) -> Tensor:
        """Return the convolved maps, negative values set to zero if ``rectified``."""
        maps = maps.to(self.weight.dtype)
        if self.arranged:
            after = "relu" if rectified else "none"
            return torch.ops.mkldnn._convolution_pointwise(maps, self.weight, self.bias, *self._shape, after, [], "")
        found = F.conv2d(maps, self.weight, self.bias, self.stride, self.padding)
        return found.relu_() if rectified else found

    def add_to(self, sums: Tensor, maps: Tensor) -> Tensor:
        """Add the convolved maps to ``sums``, which is written over, and return it with negative values set to zero."""
        if self.arranged and torch.float32 == sums.dtype == maps.dtype == self.weight.dtype:
            after = "add", 1.0, "relu", [], ""
            torch.ops.mkldnn._convolution_pointwise_.binary(sums, maps, self.weight, self.bias, *self._shape, *after)
            return sums
        return sums.add_(self(maps)).relu_()

    @property
    def _shape(self) -> tuple[Any, ...]:
        return self.padding, self.stride, [1, 1], 1  # the last: dilation and groups


@lru_cache
def arranging_works(dtype: torch.dtype) -> bool:
    """Return whether arranged convolutions are there and give what others give, as a small example shows.

    Args:
        dtype: Of the products.
    """
    weight = torch.linspace(-1, 1, 16 * 16 * 9).sin().view(16, 16, 3, 3).to(dtype, memory_format=torch.channels_last)
    maps = torch.linspace(0, 9, 16 * 64).cos().view(1, 16, 8, 8).to(dtype, memory_format=torch.channels_last)
    plain = Convolution(weight, torch.ones(16, dtype=dtype), [1, 1], [1, 1])
    try:
        arranged, sums = plain.arrange((8, 8)), torch.ones(1, 16, 8, 8)
        pairs = [(arranged(maps, rectified=True), plain(maps, rectified=True))]
        pairs.append((arranged.add_to(sums.clone(), maps), plain.add_to(sums, maps)))
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
    return all(torch.allclose(found.float(), wanted.float(), atol=0.1, rtol=0.02) for found, wanted in pairs)
