"""Trainings that are killed on the way, and comparison of what comes of them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from ignite.engine import Events

from striq.scoring.scorer import StriqScorer
from striq.training.trainer import make_trainer

SECOND_BATCH = 2


def kill_in_epoch(patch: pytest.MonkeyPatch, module: ModuleType, epoch: int, *, only: int = 1) -> None:
    """Make the trainer number ``only`` that a module asks for stop in the midst of an epoch, as Ctrl+C would."""
    asked = 0

    def make(*args: Any, **named: Any) -> Any:
        nonlocal asked
        asked += 1
        trainer = make_trainer(*args, **named)
        if asked == only:
            trainer.add_event_handler(Events.ITERATION_COMPLETED, kill)
        return trainer

    def kill(engine: Any) -> None:
        first = (epoch - 1) * engine.state.epoch_length
        if engine.state.iteration == first + min(SECOND_BATCH, engine.state.epoch_length):
            raise KeyboardInterrupt

    patch.setattr(module, "make_trainer", make)


def differing_tensors(one: StriqScorer, other: StriqScorer) -> set[str]:
    """Return the names of the tensors of two scorers that are not the same bit for bit."""
    second = other.state_dict()
    return {
        name
        for name, value in one.state_dict().items()
        if isinstance(value, torch.Tensor) and not torch.equal(value, second[name])
    }
