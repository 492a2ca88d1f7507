"""Values that follow from weights and buffers, kept for as long as those stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
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
        state = tuple((id(t), t.data_ptr(), _version(t)) for module in modules for t in _tensors(module))
        known, value = self._values.get(key, (None, None))
        if known != state:
            value = compute()
            self._values[key] = state, value
        return value


def is_traced() -> bool:
    """Return whether the computation is being recorded, so that nothing may be kept or left out."""
    return torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version  # counts changes in place
