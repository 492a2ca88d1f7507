"""Handlers of the events of an epoch. The order in which they are attached makes no difference."""

from __future__ import annotations

import logging
import time
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
    """Logs errors in plain words, loss and time left after each epoch, and the figures of the subspaces.

    Args:
        evaluator: Validates at the end of each epoch.
    """

    def __init__(self, evaluator: Engine) -> None:
        self.evaluator = evaluator
        self._start, self._first = 0.0, 0

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.STARTED, self._note_start)
        after_epoch(engine, self)

    def __call__(self, engine: Engine) -> None:
        """Log."""
        metrics, validation, state = engine.state.metrics, self.evaluator.state.metrics, engine.state
        epochs = int(state.max_epochs or state.epoch)
        per_epoch = (time.monotonic() - self._start) / max(state.epoch - self._first, 1)
        logger.info(
            "Epoch %d of %d: known movements of frames are found to within %.1f of 256 px in training and %.1f px on "
            "held-out groups (endpoint error); held-out loss %.3f.%s",
            state.epoch,
            epochs,
            metrics["endpoint_error_px"],
            validation["endpoint_error_px"],
            -validation["negative_loss"],
            _time_left((epochs - state.epoch) * per_epoch),
        )
        figures = (f"{name} {metrics[name]:.3g}" for name in FIGURES if name in metrics)
        logger.info("Subspaces: %s", ", ".join(figures))

    def _note_start(self, engine: Engine) -> None:
        self._start, self._first = time.monotonic(), engine.state.epoch


def _time_left(seconds: float) -> str:
    if seconds <= 0:
        return ""
    return f" About {seconds / 60:.0f} min left." if seconds >= 90 else f" About {max(seconds, 1):.0f} s left."
