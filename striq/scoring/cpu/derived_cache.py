"""Values that follow from weights and buffers, kept for as long as those stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Value = TypeVar("Value")


class DerivedCache:
    """Computes a value once, and again when a tensor that it was computed from has changed."""

    def __init__(self) -> None:
        self._values: dict[Hashable, tuple[_Watched, Any]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> DerivedCache:
        """Return nothing kept: a copy has tensors of its own, from which it computes again."""
        return DerivedCache()

    def get(self, key: Hashable, sources: Sequence[nn.Module | Tensor], compute: Callable[[], Value]) -> Value:
        """Return the value under a key.

        Args:
            key: Names the value.
            sources: What it is computed from.
            compute: Computes it.
        """
        known = self._values.get(key)
        if known is None or known[0].changed(sources):
            known = self._values[key] = _Watched(sources), compute()
        return known[1]


class _Watched:
    """Modules and tensors as they are now; whether they still are is asked for every frame."""

    def __init__(self, sources: Sequence[nn.Module | Tensor]) -> None:
        self.sources = list(sources)  # held, as all below, so that nothing else gets an identity of theirs
        modules = [module for source in sources if isinstance(source, nn.Module) for module in source.modules()]
        self.holders: list[dict[str, Any]] = [h for m in modules for h in (m._parameters, m._buffers, m._modules)]
        self.held = self._held()
        self.tensors = [item for item in (*self.sources, *self.held) if isinstance(item, Tensor)]
        self.counting = [tensor for tensor in self.tensors if not tensor.is_inference()]  # changes in place
        self.state = self._state()

    def changed(self, sources: Sequence[nn.Module | Tensor]) -> bool:
        """Return whether anything is another object, lies elsewhere in memory or was written to."""
        return (
            list(map(id, sources)) != list(map(id, self.sources))
            or list(map(id, self._held())) != list(map(id, self.held))
            or self._state() != self.state
        )

    def _held(self) -> list[object]:
        return [item for holder in self.holders for item in holder.values()]

    def _state(self) -> list[int]:
        return [*map(Tensor.data_ptr, self.tensors), *(tensor._version for tensor in self.counting)]


def is_traced() -> bool:
    """Return whether the computation is being recorded, so that nothing may be kept or left out."""
    return torch._C._get_tracing_state() is not None or torch.compiler.is_compiling()
