"""A stand-in for CUDA graphs that runs on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from striq.scoring.cuda.recording import RecordedCall


class Replayed(RecordedCall):
    """Computes anew where a graph would replay: from the same memory, into the same memory."""

    made = 0

    def __init__(self, function: Callable[..., Sequence[Tensor]], examples: Sequence[Tensor]) -> None:
        type(self).made += 1
        self.inputs = [example.clone() for example in examples]
        self.outputs = [tensor.clone() for tensor in function(*self.inputs)]
        self.graph: Any = self
        self.function = function

    def replay(self) -> None:
        for own, new in zip(self.outputs, self.function(*self.inputs), strict=True):
            own.copy_(new)
