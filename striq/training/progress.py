"""The best weights so far, and the state from which an interrupted training resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

from striq.atomic_files import replacing
from striq.errors import CheckpointError, one_line
from striq.model.network import StriqModel
from striq.model.tensor_files import read_tensors
from striq.training.distributed import is_first
from striq.training.handlers import after_epoch


class KeepBest:
    """Keeps the trainable weights of the best validation.

    Args:
        model: Model in training.
    """

    def __init__(self, model: StriqModel) -> None:
        self.model = model
        self.best = float("-inf")
        self._weights: dict[str, Tensor] = {}

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Keep the weights if the validation that just ended is the best so far."""
        value = float(engine.state.metrics["negative_loss"])
        if value > self.best:
            self.best = value
            named = self.model.named_parameters()
            self._weights = {name: p.detach().clone() for name, p in named if p.requires_grad}

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a resumable checkpoint."""
        return {"best": self.best, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.best, self._weights = state["best"], dict(state["weights"])

    @torch.no_grad()
    def restore(self) -> None:
        """Put the best weights back; without any validation the last ones stay."""
        parameters = dict(self.model.named_parameters())
        for name, value in self._weights.items():
            parameters[name].copy_(value)


class Progress:
    """Saves the state of a training after each epoch, atomically, and loads it again.

    Args:
        path: Checkpoint file.
        network: Network in training; one that is distributed over processes is saved as the plain one.
        optimizer: Its optimizer.
        best: Best weights so far.
    """

    def __init__(self, path: str | Path, network: nn.Module, optimizer: torch.optim.Optimizer, best: KeepBest) -> None:
        self.path = Path(path)
        self._parts: dict[str, Any] = {
            "network": getattr(network, "module", network),
            "optimizer": optimizer,
            "best": best,
        }

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        self._parts["trainer"] = engine
        after_epoch(engine, self)

    def __call__(self, engine: Engine) -> None:
        """Save; of several processes the first does."""
        del engine
        if is_first():
            with replacing(self.path) as stream:
                torch.save({name: part.state_dict() for name, part in self._parts.items()}, stream)

    def load(self) -> None:
        """Continue from the last complete epoch; the trainer's own number of epochs stays.

        Raises:
            CheckpointError: If the checkpoint is of more epochs or of other frames.
        """
        trainer = self._parts["trainer"]
        own = (trainer.state.max_epochs, trainer.state.epoch_length)
        state = read_tensors(self.path, "the checkpoint.pt of an interrupted training")
        try:
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
        except (RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"{self.path}: this training cannot be resumed: {one_line(error)} Train anew without --resume."
            raise CheckpointError(msg) from error
        trainer.state.max_epochs, steps = own
        if trainer.state.epoch > trainer.state.max_epochs or trainer.state.epoch_length != steps:
            msg = (
                f"{self.path}: {trainer.state.epoch} epochs of {trainer.state.epoch_length} steps cannot be continued "
                f"to {trainer.state.max_epochs} epochs of {steps} steps. Resume with the same frames, batch size and "
                "at least as many epochs, or train anew."
            )
            raise CheckpointError(msg)
