"""The network of the bundle's configurations, as MONAI builds, fills and copies networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from striq.errors import CheckpointError
from striq.scoring.checkpoint import NEW_BUFFERS, read_checkpoint, write_checkpoint
from striq.scoring.scorer import StriqScorer

EXTRA = "_extra_state"  # key of what a state dict holds beside tensors
ANCHORS = "bank.maps"  # beginning of the names of the anchors' features, which no two models share


class BundleNetwork(StriqScorer):
    """A scorer that has a checkpoint's weights from the start, if there is one, and a state dict of tensors only.

    ``monai.bundle.load`` copies tensors whose shapes are those of the network, and knows tensors only. The number of
    planes and anchors is a checkpoint's, so the network reads it first.

    Args:
        planes: Names of the planes, if there is no checkpoint.
        checkpoint: A ``model.pt``; need not exist.

    Raises:
        CheckpointError: If the checkpoint cannot be read or used.
    """

    def __init__(self, planes: Sequence[str], checkpoint: str | Path = "") -> None:
        with torch.random.fork_rng(devices=[]):  # what is trained later does not depend on what was built here
            super().__init__(planes)
        if checkpoint and Path(checkpoint).is_file():
            self.load_state_dict(read_checkpoint(Path(checkpoint)))
        self.eval()

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the tensors alone; :meth:`save` writes the whole checkpoint."""
        state = super().state_dict(*args, **kwargs)
        state.pop(EXTRA, None)
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a checkpoint, or tensors alone of the model that the network has already.

        Raises:
            CheckpointError: As for :meth:`StriqScorer.load_state_dict`, and if tensors alone are of another model:
                its planes and settings would not be known.
        """
        if EXTRA not in state_dict:
            self._check_same_model(state_dict)
        return super().load_state_dict({EXTRA: self.get_extra_state(), **state_dict}, strict=strict, assign=assign)

    def _check_same_model(self, state: Mapping[str, Any]) -> None:
        """Check that all tensors are new, which those are not that MONAI could not copy, and of the same anchors."""
        own = {name: value for name, value in self.state_dict().items() if value.numel()}
        anchors = [name for name in own if name.startswith(ANCHORS)]
        left = [
            name
            for name in own
            if not name.startswith(tuple(NEW_BUFFERS)) and _is_same_storage(own[name], state.get(name))
        ]
        same = all(name in state and torch.equal(own[name], state[name].to(own[name])) for name in anchors)
        if left or not anchors or not same:
            msg = (
                "These tensors are of another model than the network was built with. Name that model's file when the "
                "network is built: with monai.bundle.load, net_override={'checkpoint': 'model.pt'}."
            )
            raise CheckpointError(msg)

    def save(self, path: str | Path) -> Path:
        """Write the checkpoint atomically and return its path."""
        return write_checkpoint(path, {**self.state_dict(), EXTRA: self.get_extra_state()})


def _is_same_storage(one: Tensor, other: Tensor | None) -> bool:
    return other is not None and one.data_ptr() == other.data_ptr()
