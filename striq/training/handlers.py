"""Ignite handlers that tie a calibration to a trainer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.metrics import Average
from monai.engines.utils import IterationEvents
from torch import Tensor

from striq.anchors.thumbnails import write_thumbnails
from striq.atomic_files import replacing
from striq.model.subspace_metrics import summary
from striq.training.calibration import Calibration
from striq.training.distributed import is_first
from striq.training.objective import RegistrationLoss, endpoint_error
from striq.training.pairs import PairDataset

logger = logging.getLogger(__name__)
GRADIENT_LIMIT = 1.0  # the usual norm is 0.3 to 1
HALF_WIDTH_PX = 128  # pixels of a 256-pixel frame per unit of (x, y)


class PrepareScorer:
    """Fixes the encoder, caches features and chooses anchors when training starts.

    Args:
        calibration: What to prepare.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration

    def attach(self, engine: Engine) -> None:
        """Register with the trainer, before anything that loads a checkpoint."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Prepare."""
        del engine
        self.calibration.prepare()


class LimitGradient:
    """Shortens a gradient that is far too long before the step.

    One anchor warped to the edge of its fan can send a gradient thousands of times the usual one; with Adam a single
    such step throws the projections away and all but stops what follows.

    Args:
        limit: Longest gradient, Euclidean norm over all parameters.
    """

    def __init__(self, limit: float = GRADIENT_LIMIT) -> None:
        self.limit = limit

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Shorten, once the scale that mixed precision gave the gradient is off it."""
        if engine.scaler is not None:
            engine.scaler.unscale_(engine.optimizer)
        torch.nn.utils.clip_grad_norm_(engine.network.parameters(), self.limit)


class WatchSubspace:
    """Puts how the planes' subspaces lie to one another among the trainer's metrics, epoch by epoch.

    Args:
        calibration: Its scorer is trained.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration

    def attach(self, engine: Engine) -> None:
        """Register with the trainer, before anything that writes metrics down."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Measure."""
        engine.state.metrics.update(summary(self.calibration.scorer.model.subspace.basis.detach()))


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


class KeepBest:
    """Keeps the trainable weights of the best validation, and puts them back at the end.

    Args:
        calibration: Its scorer is trained.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self.best = float("-inf")
        self._weights: dict[str, Tensor] = {}

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Keep the weights if the validation just completed is the best so far."""
        value = float(engine.state.metrics["negative_loss"])
        if value > self.best:
            self.best = value
            named = self.calibration.scorer.model.named_parameters()
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
        parameters = dict(self.calibration.scorer.model.named_parameters())
        for name, value in self._weights.items():
            parameters[name].copy_(value)


class SaveProgress:
    """Writes what a resumed training needs after each epoch, never in the midst of one, and never half.

    Args:
        path: Checkpoint to write.
        state: What to save, by name; each has a ``state_dict``.
    """

    def __init__(self, path: str | Path, state: Mapping[str, Any]) -> None:
        self.path, self.state = Path(path), state

    def attach(self, engine: Engine) -> None:
        """Register with the trainer, after what validates."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write; of several processes the first does."""
        del engine
        if is_first():
            with replacing(self.path) as stream:
                torch.save({name: one.state_dict() for name, one in self.state.items()}, stream)


class FinishScorer:
    """Completes the scorer when training ends and writes it.

    Args:
        calibration: What to complete.
        path: Where ``model.pt`` goes.
        best: Weights to restore first.
        anchor_images: Write small pictures of the anchors beside it.
    """

    def __init__(
        self, calibration: Calibration, path: str | Path, best: KeepBest | None = None, *, anchor_images: bool = True
    ) -> None:
        self.calibration, self.path, self.best, self.anchor_images = calibration, Path(path), best, anchor_images

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Restore the best weights, complete the scorer, write it; of several processes the first writes."""
        if self.best is not None:
            self.best.restore()
        self.calibration.finish()
        self.calibration.scorer.info["epochs"] = int(engine.state.epoch)
        if is_first():
            self.calibration.scorer.save(self.path)
            if self.anchor_images:
                write_thumbnails(self.path.parent, self.calibration.anchor_images())
            logger.info("Wrote %s", self.path)


class NegativeLoss(Average):
    """Minus the mean training loss of the validation pairs: the label-free criterion, higher is better.

    Args:
        loss: The training loss.
    """

    def __init__(self, loss: RegistrationLoss) -> None:
        super().__init__(lambda output: -loss(output["pred"], output["label"]).detach())


class EndpointError(Average):
    """Mean endpoint error of the known transforms, in pixels of a 256-pixel frame."""

    def __init__(self) -> None:
        super().__init__(endpoint_error_px)


def lower_is_better(value: float, best: float) -> bool:
    """Return whether an error is the smallest so far."""
    return value < best


def endpoint_error_px(output: Any) -> Tensor:
    """Return the mean endpoint error of one batch, in pixels of a 256-pixel frame."""
    return endpoint_error(output["pred"].known[-1], output["label"]).mean().detach() * HALF_WIDTH_PX
