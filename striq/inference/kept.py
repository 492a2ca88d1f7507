"""Values that follow from weights and buffers, kept for as long as those stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Value = TypeVar("Value")


class Kept:
    """Computes a value once, and again when a tensor that it was computed from has changed."""

    def __init__(self) -> None:
        self._values: dict[Hashable, tuple[object, Any]] = {}

    def get(self, key: Hashable, sources: Sequence[nn.Module | Tensor], compute: Callable[[], Value]) -> Value:
        """Return the value under a key.

        Args:
            key: Names the value.
            sources: What it is computed from.
            compute: Computes it.
        """
        tensors = _tensors(sources)
        state = [*map(id, tensors), *map(Tensor.data_ptr, tensors), *map(_version, tensors)]
        known, value = self._values.get(key, (None, None))
        if known != state:
            value = compute()
            self._values[key] = state, value
        return value


def is_traced() -> bool:
    """Return whether the computation is being recorded, so that nothing may be kept or left out."""
    return torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()


def _tensors(sources: Sequence[nn.Module | Tensor]) -> list[Tensor]:
    """Return what parameters() and buffers() give, in a tenth of the time: this is asked for every frame."""
    waiting: list[nn.Module | None] = [source for source in sources if isinstance(source, nn.Module)]
    found: list[Tensor | None] = [source for source in sources if isinstance(source, Tensor)]
    while waiting:
        if (module := waiting.pop()) is not None:
            found += (*module._parameters.values(), *module._buffers.values())
            waiting += module._modules.values()
    return [tensor for tensor in found if tensor is not None]


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version  # counts changes in place
