"""Metrics of training and validation, none of which needs a label."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine
from ignite.metrics import Average, Metric
from torch import Tensor

from striq.model.network import StriqModel
from striq.model.subspace_metrics import summary
from striq.training.objective import RegistrationLoss, endpoint_error

HALF_WIDTH_PX = 128  # pixels of a 256-pixel frame per unit of (x, y)


class NegativeLoss(Average):
    """Minus the mean training loss of the validation pairs: the criterion for the best weights, higher is better.

    Args:
        loss: The training loss.
    """

    def __init__(self, loss: RegistrationLoss) -> None:
        super().__init__(lambda output: -loss(output["pred"], output["label"]).detach())


class EndpointError(Average):
    """Mean endpoint error of the known transforms, in pixels of a 256-pixel frame."""

    def __init__(self) -> None:
        super().__init__(endpoint_error_px)


class SubspaceFigures(Metric):
    """Angles and ranks of the planes' subspaces, measured once per epoch, each under its own name.

    A metric rather than a handler: an engine computes metrics before it calls any handler that writes them down.

    Args:
        model: Model in training.
    """

    def __init__(self, model: StriqModel) -> None:
        super().__init__(output_transform=lambda output: None)
        self._model = model

    def reset(self) -> None:
        """Do nothing: the figures do not depend on batches."""

    def update(self, output: Any) -> None:
        """Do nothing: the figures do not depend on batches."""

    def compute(self) -> dict[str, float]:
        """Return the figures of :func:`striq.model.subspace_metrics.summary`."""
        return summary(self._model.subspace.basis.detach())

    def completed(self, engine: Engine, name: str) -> None:
        """Store each figure; the dictionary itself is not stored, as MONAI's handlers take numbers only."""
        del name
        engine.state.metrics.update(self.compute())


def lower_is_better(value: float, best: float) -> bool:
    """Return whether an error is the smallest so far."""
    return value < best


def endpoint_error_px(output: Any) -> Tensor:
    """Return the mean endpoint error of one batch, in pixels of a 256-pixel frame.

    Args:
        output: Output of the evaluator, or of :class:`striq.training.trainer.PairTrainer`.
    """
    output = output[0] if isinstance(output, list) else output
    return endpoint_error(output["pred"].known[-1], output["label"]).mean().detach() * HALF_WIDTH_PX
