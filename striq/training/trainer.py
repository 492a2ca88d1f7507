"""Training of a scorer with MONAI's ignite engines: resumable, deterministic, validated without labels."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers.tqdm_logger import ProgressBar
from monai.data.dataloader import DataLoader
from monai.engines.evaluator import SupervisedEvaluator
from monai.engines.trainer import SupervisedTrainer
from monai.handlers.checkpoint_loader import CheckpointLoader
from monai.handlers.validation_handler import ValidationHandler
from monai.utils.misc import set_determinism

from striq.config import StriqConfig, TrainingConfig
from striq.data.loading import load_images
from striq.data.splits import hold_out
from striq.errors import CheckpointError
from striq.model.encoder import load_backbone, shipped_backbone
from striq.model.subspace_metrics import FIGURES
from striq.scoring.devices import pick_device
from striq.scoring.scorer import StriqScorer
from striq.training.calibration import Calibration
from striq.training.curves import TENSORBOARD, TRAINING, VALIDATION, WriteCurves
from striq.training.handlers import (
    EndpointError,
    EpochPairs,
    FinishScorer,
    KeepBest,
    LimitGradient,
    NegativeLoss,
    PrepareScorer,
    SaveProgress,
    WatchSubspace,
    lower_is_better,
)
from striq.training.objective import RegistrationLoss, RegistrationNetwork
from striq.training.pairs import EpochOrder, PairBatcher, PairDataset
from striq.types import FrameRecord

logger = logging.getLogger(__name__)
RESUME_NAME = "checkpoint.pt"
MODEL_NAME = "model.pt"
FEATURES_NAME = "features"
SEEDED = "seeded"  # asks for the seeded initialization of the encoder


def train_scorer(
    records: Sequence[FrameRecord],
    output_dir: str | Path,
    *,
    config: StriqConfig | None = None,
    training: TrainingConfig | None = None,
    backbone: str | Path | None = None,
    device: str = "auto",
    resume: bool = False,
    anchor_images: bool = True,
    quiet: bool = False,
) -> StriqScorer:
    """Train a scorer on unlabeled frames and write ``model.pt``; ratings of the records are not looked at.

    Args:
        records: Training frames; their groups are split once more for the label-free validation.
        output_dir: Gets ``model.pt``, the resumable ``checkpoint.pt`` and TensorBoard files.
        config: Settings of the scorer.
        training: Settings of the training.
        backbone: Local weights of the encoder, or ``"seeded"``; the shipped backbone by default.
        device: ``"auto"``, or a device of PyTorch.
        resume: Continue from ``checkpoint.pt``.
        anchor_images: Keep small pictures of the anchors beside ``model.pt``.
        quiet: Do not show progress.

    Raises:
        CheckpointError: If there is nothing to resume from, or the backbone does not fit.
        DatasetError: If a plane has too few frames.
    """
    training, output = training or TrainingConfig(), Path(output_dir)
    if resume and not (output / RESUME_NAME).is_file():
        msg = f"{output / RESUME_NAME}: nothing to resume from. Train once without --resume."
        raise CheckpointError(msg)
    with determinism(training.seed):
        calibration = make_calibration(
            records,
            config=config,
            training=training,
            backbone=backbone,
            cache_folder=output / FEATURES_NAME,
            device=device,
            quiet=quiet,
        )
        make_trainer(
            calibration, output, training=training, resume=resume, anchor_images=anchor_images, quiet=quiet
        ).run()
    shutil.rmtree(output / FEATURES_NAME, ignore_errors=True)  # there where features were too many for the memory
    return calibration.scorer.eval()


def make_calibration(
    records: Sequence[FrameRecord],
    *,
    config: StriqConfig | None = None,
    training: TrainingConfig | None = None,
    backbone: str | Path | None = None,
    cache_folder: str | Path | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> Calibration:
    """Return an unprepared calibration of a new scorer, with some groups held out for validation.

    Args:
        records: Training frames.
        config: Settings of the scorer.
        training: Settings of the training.
        backbone: Local weights of the encoder, or ``"seeded"``; the shipped backbone by default.
        cache_folder: Where to map cached features to if they are too many for the memory.
        device: ``"auto"``, or a device of PyTorch.
        quiet: Do not show progress.
    """
    training = training or TrainingConfig()
    scorer = StriqScorer(sorted({record.plane for record in records}), config)
    weights = shipped_backbone() if backbone is None else backbone
    pretrained = weights is not None and str(weights) != SEEDED
    if weights is not None and pretrained:
        scorer.info["encoder"] = load_backbone(scorer.model.encoder, weights)
    scorer.to(pick_device(device))
    _, validation = hold_out(records, training.validation_fraction, seed=training.seed)
    chosen = set(validation)
    return Calibration(
        scorer,
        load_images(records, scorer.config.encoder.size, quiet=quiet),
        records,
        seed=training.seed,
        num_views=training.views,
        held_out=torch.tensor([record in chosen for record in records]),
        pretrained=pretrained,
        cache_folder=cache_folder,
        quiet=quiet,
    )


def make_trainer(
    calibration: Calibration,
    output: Path,
    *,
    training: TrainingConfig,
    resume: bool = False,
    anchor_images: bool = True,
    quiet: bool = False,
) -> SupervisedTrainer:
    """Return the trainer of a calibration; running it prepares, trains, completes and writes the scorer.

    Args:
        calibration: Unprepared calibration.
        output: Folder for results.
        training: Settings of the training.
        resume: Continue from the checkpoint in ``output``.
        anchor_images: Keep small pictures of the anchors beside ``model.pt``.
        quiet: Do not show progress.
    """
    network = RegistrationNetwork(calibration.scorer.model, calibration.scorer.config.quality, training.orthogonality)
    loss = RegistrationLoss(
        training.orthogonality_weight, training.loss_terms, known_transforms=training.known_transforms
    )
    optimizer = make_optimizer(network, training.learning_rate)
    pairs, best = PairDataset(calibration, seed=training.seed), KeepBest(calibration)
    evaluator = _make_evaluator(calibration, network, loss, best, training)
    WriteCurves(output / TENSORBOARD / VALIDATION).attach(evaluator)
    trainer = SupervisedTrainer(
        device=calibration.scorer.device,
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
        metric_cmp_fn=lower_is_better,
        amp=use_amp(training.amp, calibration.scorer.device),
        train_handlers=[
            PrepareScorer(calibration),
            EpochPairs(pairs),
            LimitGradient(),
            WatchSubspace(calibration),
            ValidationHandler(interval=1, validator=evaluator),
            WriteCurves(output / TENSORBOARD / TRAINING),
            FinishScorer(calibration, output / MODEL_NAME, best, anchor_images=anchor_images),
        ],
    )
    state = {"network": network, "optimizer": optimizer, "trainer": trainer, "best": best}
    SaveProgress(output / RESUME_NAME, state).attach(trainer)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, _log_epoch, evaluator)
    if resume:
        CheckpointLoader(str(output / RESUME_NAME), state).attach(trainer)
    if not quiet and sys.stderr.isatty():  # a bar in a log file would be thousands of lines
        bar = ProgressBar(desc="Training")
        bar.attach(trainer, output_transform=lambda output: {"loss": _loss_of(output)})
    return trainer


def use_amp(wanted: bool, device: torch.device) -> bool:
    """Return whether to train with automatic mixed precision: where that is wanted, on a CUDA device."""
    return wanted and device.type == "cuda"


def make_optimizer(network: torch.nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """Return Adam over what is not frozen."""
    return torch.optim.Adam([p for p in network.parameters() if p.requires_grad], learning_rate)


def _make_evaluator(
    calibration: Calibration,
    network: RegistrationNetwork,
    loss: RegistrationLoss,
    best: KeepBest,
    training: TrainingConfig,
) -> SupervisedEvaluator:
    pairs = PairDataset(calibration, seed=training.seed, held_out=True)
    return SupervisedEvaluator(
        device=calibration.scorer.device,
        val_data_loader=DataLoader(pairs, batch_size=training.batch_size),
        network=network,
        prepare_batch=PairBatcher(calibration),
        decollate=False,
        key_val_metric={"negative_loss": NegativeLoss(loss)},
        additional_metrics={"endpoint_error_px": EndpointError()},
        amp=use_amp(training.amp, calibration.scorer.device),
        val_handlers=[best],
    )


def _loss_of(output: Mapping[str, Any]) -> float:
    return float(output["loss"].detach())


def _log_epoch(trainer: Engine, evaluator: Engine) -> None:
    logger.info(
        "Epoch %d: endpoint error %.1f px in training, %.1f px held out; held-out loss %.3f",
        trainer.state.epoch,
        trainer.state.metrics["endpoint_error_px"],
        evaluator.state.metrics["endpoint_error_px"],
        -evaluator.state.metrics["negative_loss"],
    )
    figures = (f"{name} {trainer.state.metrics[name]:.3g}" for name in FIGURES if name in trainer.state.metrics)
    logger.info("Subspaces: %s", ", ".join(figures))


@contextmanager
def determinism(seed: int) -> Iterator[None]:
    """Fix every seed inside the block."""
    set_determinism(seed)
    try:
        yield
    finally:
        set_determinism(None)
