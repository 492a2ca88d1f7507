"""Cache of values derived from weights and buffers, invalidated when one of them changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Value = TypeVar("Value")
PARTS = ("_parameters", "_buffers", "_modules")  # where a module holds its tensors and modules


class DerivedCache:
    """Computes each value once, and again after a tensor that it is derived from has changed."""

    def __init__(self) -> None:
        self._values: dict[Hashable, tuple[_Watched, Any]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> DerivedCache:
        """Return an empty cache: a copy of the model has other tensors."""
        return DerivedCache()

    def get(self, key: Hashable, sources: Sequence[nn.Module | Tensor], compute: Callable[[], Value]) -> Value:
        """Return the value under a key.

        Args:
            key: Name of the value.
            sources: Modules and tensors that it is derived from.
            compute: Computes it.
        """
        known = self._values.get(key)
        if known is None or known[0].changed(sources):
            known = self._values[key] = _Watched(sources), compute()
        return known[1]


class _Watched:
    """A record of modules and tensors that tells later whether any of them has changed; asked for every frame."""

    def __init__(self, sources: Sequence[nn.Module | Tensor]) -> None:
        self.sources = list(sources)  # references to these and all below keep their ids from being reused
        modules = [module for source in sources if isinstance(source, nn.Module) for module in source.modules()]
        self.holders: list[dict[str, Any]] = [vars(m)[part] for m in modules for part in PARTS]
        self.held = self._held()
        self.tensors = [item for item in (*self.sources, *self.held) if isinstance(item, Tensor)]
        self.counting = [tensor for tensor in self.tensors if not tensor.is_inference()]  # others have no version
        self.state = self._state()

    def changed(self, sources: Sequence[nn.Module | Tensor]) -> bool:
        """Return whether anything was replaced, moved in memory or written to."""
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
    """Return whether a tracer or compiler is recording, so that cached values must not be used."""
    tracing = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    return tracing or torch.compiler.is_compiling()
