"""Convolutions with folded batch normalization and, where oneDNN allows it, prepacked weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights


@dataclass(frozen=True)
class Convolution:
    """A convolution with its bias, ready to be called.

    Attributes:
        weight: Shape ``(out, C, rows, columns)``; in oneDNN's own layout if ``prepacked``.
        bias: Shape ``(out,)``.
        stride: Rows and columns.
        padding: Rows and columns.
        groups: Groups of channels that are convolved alone.
        prepacked: Whether the weight is in oneDNN's layout; otherwise oneDNN converts it at every call.
    """

    weight: Tensor
    bias: Tensor
    stride: Sequence[int]
    padding: Sequence[int]
    groups: int = 1
    prepacked: bool = False

    @classmethod
    def of(cls, convolution: Any, norm: Any = None) -> Convolution:
        """Return a convolution with the batch normalization that follows it, if one does, folded in."""
        layout = list(convolution.stride), list(convolution.padding), convolution.groups
        if norm is None:
            weight = convolution.weight.detach()
            return cls(weight, weight.new_zeros(len(weight)), *layout)
        weight, bias = fuse_conv_bn_weights(
            convolution.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        return cls(weight.detach(), bias.detach(), *layout)

    def ready(self, dtype: torch.dtype, size: tuple[int, int]) -> Convolution:
        """Return the convolution in a precision, with prepacked weights where that works.

        Args:
            dtype: Of the products.
            size: Rows and columns of the maps to expect; maps of other sizes give correct results, more slowly.
        """
        weight, bias = self.weight.to(dtype, memory_format=torch.channels_last), self.bias.to(dtype)
        plain = replace(self, weight=weight, bias=bias)
        fast = weight.device.type == "cpu" and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        return plain.prepack(size) if fast and prepacking_works(dtype) else plain

    def prepack(self, size: tuple[int, int]) -> Convolution:
        """Return the convolution with its weight prepacked for maps of ``size``, by private operations of PyTorch."""
        shape = [1, self.weight.shape[1] * self.groups, *size]
        weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self._shape, shape)
        return replace(self, weight=weight, prepacked=True)

    def __call__(self, maps: Tensor, *, rectified: bool = False) -> Tensor:
        """Return the convolved maps, with ReLU if ``rectified``."""
        maps = maps.to(self.weight.dtype)
        if self.prepacked:
            after = "relu" if rectified else "none"
            return torch.ops.mkldnn._convolution_pointwise(maps, self.weight, self.bias, *self._shape, after, [], "")
        found = F.conv2d(maps, self.weight, self.bias, self.stride, self.padding, groups=self.groups)
        return found.relu_() if rectified else found

    def add_to(self, sums: Tensor, maps: Tensor) -> Tensor:
        """Return the ReLU of ``sums`` plus the convolved maps; ``sums`` is overwritten."""
        if self.prepacked and torch.float32 == sums.dtype == maps.dtype == self.weight.dtype:
            after = "add", 1.0, "relu", [], ""
            torch.ops.mkldnn._convolution_pointwise_.binary(sums, maps, self.weight, self.bias, *self._shape, *after)
            return sums
        return sums.add_(self(maps)).relu_()

    @property
    def _shape(self) -> tuple[Any, ...]:
        return self.padding, self.stride, [1, 1], self.groups  # third: dilation


@dataclass(frozen=True)
class SeparableConvolution:
    """A convolution of each channel alone, then one that mixes channels; called as a :class:`Convolution` is."""

    depthwise: Convolution
    pointwise: Convolution

    @property
    def stride(self) -> Sequence[int]:
        """Rows and columns."""
        return self.depthwise.stride

    def ready(self, dtype: torch.dtype, size: tuple[int, int]) -> SeparableConvolution:
        """Return it in a precision; see :meth:`Convolution.ready`."""
        down, across = self.stride
        leaving = size[0] // down, size[1] // across
        return SeparableConvolution(self.depthwise.ready(dtype, size), self.pointwise.ready(dtype, leaving))

    def __call__(self, maps: Tensor, *, rectified: bool = False) -> Tensor:
        """Return the convolved maps, with ReLU if ``rectified``."""
        return self.pointwise(self.depthwise(maps), rectified=rectified)

    def add_to(self, sums: Tensor, maps: Tensor) -> Tensor:
        """Return the ReLU of ``sums`` plus the convolved maps; ``sums`` is overwritten."""
        return self.pointwise.add_to(sums, self.depthwise(maps))


def fold_convolution(convolution: Any, norm: Any) -> Convolution | SeparableConvolution:
    """Return a convolution, or the two of a depthwise separable one, with the batch normalization folded in."""
    if isinstance(convolution, nn.Sequential):
        depthwise, pointwise = convolution
        return SeparableConvolution(Convolution.of(depthwise), Convolution.of(pointwise, norm))
    return Convolution.of(convolution, norm)


@lru_cache
def prepacking_works(dtype: torch.dtype) -> bool:
    """Return whether prepacked convolutions exist here and agree with ordinary ones on a small example.

    Args:
        dtype: Of the products.
    """
    weight = torch.linspace(-1, 1, 16 * 16 * 9).sin().view(16, 16, 3, 3).to(dtype, memory_format=torch.channels_last)
    maps = torch.linspace(0, 9, 16 * 64).cos().view(1, 16, 8, 8).to(dtype, memory_format=torch.channels_last)
    plain = Convolution(weight, torch.ones(16, dtype=dtype), [1, 1], [1, 1])
    try:
        prepacked, sums = plain.prepack((8, 8)), torch.ones(1, 16, 8, 8)
        pairs = [(prepacked(maps, rectified=True), plain(maps, rectified=True))]
        pairs.append((prepacked.add_to(sums.clone(), maps), plain.add_to(sums, maps)))
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
    return all(torch.allclose(found.float(), wanted.float(), atol=0.1, rtol=0.02) for found, wanted in pairs)
