"""Handlers of the events of an epoch. The order in which they are attached makes no difference."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents

from striq.model.subspace_metrics import FIGURES
from striq.training.pairs import PairDataset

logger = logging.getLogger(__name__)
GRADIENT_LIMIT = 1.0  # the usual norm is 0.3 to 1


def after_epoch(engine: Engine, handler: Callable[[Engine], None]) -> None:
    """Call a handler at the end of each epoch, after all handlers that were attached to the engine before its run.

    Args:
        engine: Trainer.
        handler: Needs what the other handlers of the event do, such as the validation.
    """

    def register() -> None:
        if not engine.has_event_handler(handler, Events.EPOCH_COMPLETED):
            engine.add_event_handler(Events.EPOCH_COMPLETED, handler)

    engine.add_event_handler(Events.STARTED, register)


class EpochPairs:
    """Draws other pairs in each epoch.

    Args:
        dataset: Training pairs.
    """

    def __init__(self, dataset: PairDataset) -> None:
        self.dataset = dataset

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Move on to the pairs of the trainer's epoch."""
        self.dataset.epoch = engine.state.epoch


class LimitGradient:
    """Clips the norm of the gradient before each step.

    An anchor warped to the edge of its fan can produce a gradient thousands of times longer than usual. With Adam, a
    single such step ruins the projections and all but stops training.

    Args:
        limit: Largest Euclidean norm over all parameters.
    """

    def __init__(self, limit: float = GRADIENT_LIMIT) -> None:
        self.limit = limit

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Clip, after removing the scale that mixed precision applies to gradients."""
        if engine.scaler is not None:
            engine.scaler.unscale_(engine.optimizer)
        torch.nn.utils.clip_grad_norm_(engine.network.parameters(), self.limit)


class LogEpoch:
    """Logs errors, loss and subspace figures of each epoch.

    Args:
        evaluator: Validates at the end of each epoch.
    """

    def __init__(self, evaluator: Engine) -> None:
        self.evaluator = evaluator

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        after_epoch(engine, self)

    def __call__(self, engine: Engine) -> None:
        """Log."""
        metrics, validation = engine.state.metrics, self.evaluator.state.metrics
        logger.info(
            "Epoch %d: endpoint error %.1f px in training, %.1f px held out; held-out loss %.3f",
            engine.state.epoch,
            metrics["endpoint_error_px"],
            validation["endpoint_error_px"],
            -validation["negative_loss"],
        )
        figures = (f"{name} {metrics[name]:.3g}" for name in FIGURES if name in metrics)
        logger.info("Subspaces: %s", ", ".join(figures))
