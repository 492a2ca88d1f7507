"""Values that follow from weights and buffers, kept for as long as those stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Value = TypeVar("Value")


class Kept:
    """Computes a value once, and again when a tensor of the modules it was computed from has changed."""

    def __init__(self) -> None:
        self._values: dict[Hashable, tuple[object, Any]] = {}

    def get(self, key: Hashable, modules: Sequence[nn.Module], compute: Callable[[], Value]) -> Value:
        """Return the value under a key.

        Args:
            key: Names the value.
            modules: What it is computed from.
            compute: Computes it.
        """
        state = tuple((id(t), t.data_ptr(), _version(t)) for t in _tensors(modules))
        known, value = self._values.get(key, (None, None))
        if known != state:
            value = compute()
            self._values[key] = state, value
        return value


def is_traced() -> bool:
    """Return whether the computation is being recorded, so that nothing may be kept or left out."""
    return torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()


def _tensors(modules: Sequence[nn.Module]) -> list[Tensor]:
    """Return what parameters() and buffers() give, in a tenth of the time: this is asked for every frame."""
    waiting, found = list(modules), []
    while waiting:
        module = waiting.pop()
        found += (*module._parameters.values(), *module._buffers.values())
        waiting += [child for child in module._modules.values() if child is not None]
    return [tensor for tensor in found if tensor is not None]


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version  # counts changes in place
