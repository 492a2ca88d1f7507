"""MONAI's engines for a calibration: trainer, validation, metrics and handlers."""

from __future__ import annotations

from typing import Any

import torch
from monai.data.dataloader import DataLoader
from monai.engines.evaluator import SupervisedEvaluator
from monai.engines.trainer import SupervisedTrainer
from monai.handlers.validation_handler import ValidationHandler

from striq.config import TrainingConfig
from striq.training.calibration import Calibration
from striq.training.curves import TRAINING, VALIDATION, WriteCurves
from striq.training.handlers import EpochPairs, LimitGradient, LogEpoch
from striq.training.metrics import EndpointError, NegativeLoss, SubspaceFigures, lower_is_better
from striq.training.objective import RegistrationLoss, RegistrationNetwork
from striq.training.outcome import Report
from striq.training.pairs import EpochOrder, PairBatcher, PairDataset
from striq.training.progress import KeepBest, Progress
from striq.training.run_options import RunOptions
from striq.training.steps import TrainingSteps


class PairTrainer(SupervisedTrainer):
    """MONAI's trainer, whose output is a list of one item, as where batches are decollated.

    MONAI's handlers, such as the one of ``--tracking mlflow``, look for the loss there.
    """

    def _iteration(self, engine: Any, batchdata: Any) -> Any:
        return [super()._iteration(engine, batchdata)]


def make_steps(
    calibration: Calibration, training: TrainingConfig, options: RunOptions, report: Report | None = None
) -> TrainingSteps:
    """Return the three steps of a training: prepare, optimize, finish. Nothing has been computed yet.

    Args:
        calibration: Unprepared calibration.
        training: Settings of the training.
        options: Folders, and whether to resume.
        report: Called at the end with what the training is worth.
    """
    model, device = calibration.scorer.model, calibration.scorer.device
    network = RegistrationNetwork(model, calibration.scorer.config.quality, training.orthogonality)
    loss = RegistrationLoss(
        training.orthogonality_weight, training.loss_terms, known_transforms=training.known_transforms
    )
    optimizer = make_optimizer(network, training.learning_rate)
    pairs, best = PairDataset(calibration, seed=training.seed), KeepBest(model)
    progress = Progress(options.checkpoint_file, network, optimizer, best)
    evaluator = SupervisedEvaluator(
        device=device,
        val_data_loader=DataLoader(
            PairDataset(calibration, seed=training.seed, held_out=True), batch_size=training.batch_size
        ),
        network=network,
        prepare_batch=PairBatcher(calibration),
        decollate=False,
        key_val_metric={"negative_loss": NegativeLoss(loss)},
        additional_metrics={"endpoint_error_px": EndpointError()},
        amp=use_amp(training.amp, device),
        val_handlers=[best, WriteCurves(options.curves_folder / VALIDATION)],
    )
    trainer = PairTrainer(
        device=device,
        max_epochs=training.max_epochs,
        train_data_loader=DataLoader(
            pairs, batch_size=training.batch_size, sampler=EpochOrder(pairs, seed=training.seed)
        ),
        network=network,
        optimizer=optimizer,
        loss_function=loss,
        prepare_batch=PairBatcher(calibration),
        decollate=False,
        key_train_metric={"endpoint_error_px": EndpointError()},
        additional_metrics={"subspace": SubspaceFigures(model)},
        metric_cmp_fn=lower_is_better,
        amp=use_amp(training.amp, device),
        train_handlers=[
            EpochPairs(pairs),
            LimitGradient(),
            ValidationHandler(interval=1, validator=evaluator),
            WriteCurves(options.curves_folder / TRAINING),
            LogEpoch(evaluator),
        ],
    )
    return TrainingSteps(calibration, trainer, best, progress, options, report)


def use_amp(requested: bool, device: torch.device) -> bool:
    """Return whether to train with automatic mixed precision: if requested, on CUDA devices only."""
    return requested and device.type == "cuda"


def make_optimizer(network: torch.nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """Return Adam over the parameters that are not frozen."""
    return torch.optim.Adam([p for p in network.parameters() if p.requires_grad], learning_rate)
