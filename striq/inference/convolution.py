"""Convolutions with batch normalization folded in, and weights arranged once where the library allows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
        if not can_arrange(weight):
            return Convolution(weight, bias, self.stride, self.padding)
        seen = [1, weight.shape[1], *size]
        arranged = torch.ops.mkldnn._reorder_convolution_weight(weight, *self._shape, seen)
        return Convolution(arranged, bias, self.stride, self.padding, arranged=True)

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
        if self.arranged and sums.dtype == maps.dtype == self.weight.dtype:
            after = "add", 1.0, "relu", [], ""
            torch.ops.mkldnn._convolution_pointwise_.binary(sums, maps, self.weight, self.bias, *self._shape, *after)
            return sums
        return sums.add_(self(maps)).relu_()

    @property
    def _shape(self) -> tuple[Any, ...]:
        return self.padding, self.stride, [1, 1], 1  # the last: dilation and groups


def can_arrange(weight: Tensor) -> bool:
    """Return whether oneDNN arranges a weight once for all calls: on the processors where that was measured to pay."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    known = hasattr(torch.ops.mkldnn, "_convolution_pointwise") and hasattr(
        torch.ops.mkldnn, "_reorder_convolution_weight"
    )
    fast = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return known and fast and (weight.dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported())
