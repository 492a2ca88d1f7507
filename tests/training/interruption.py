"""Trainings that are interrupted, and comparison of the scorers they end with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Events

from striq.scoring.scorer import StriqScorer
from striq.training import run
from striq.training.trainer import make_steps

SECOND_BATCH = 2


def kill_in_epoch(patch: pytest.MonkeyPatch, epoch: int, *, only: int = 1) -> None:
    """Interrupt training number ``only`` in the middle of an epoch, as Ctrl+C would."""
    asked = 0

    def make(*args: Any, **named: Any) -> Any:
        nonlocal asked
        asked += 1
        steps = make_steps(*args, **named)
        if asked == only:
            steps.trainer.add_event_handler(Events.ITERATION_COMPLETED, kill)
        return steps

    def kill(engine: Any) -> None:
        first = (epoch - 1) * engine.state.epoch_length
        if engine.state.iteration == first + min(SECOND_BATCH, engine.state.epoch_length):
            raise KeyboardInterrupt

    patch.setattr(run, "make_steps", make)


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether two tensors hold the same numbers; NaN equals NaN."""
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)


def differing_tensors(one: StriqScorer, other: StriqScorer) -> set[str]:
    """Return the names of the tensors of two scorers that do not hold the same numbers."""
    second = other.state_dict()
    return {
        name
        for name, value in one.state_dict().items()
        if isinstance(value, torch.Tensor) and not same(value, second[name])
    }
