"""Construction of a calibration from records: scorer, backbone, images, and the split for validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from striq.config import StriqConfig, TrainingConfig
from striq.data.loading import load_readable_images
from striq.data.transforms import Augmentation, RandomView
from striq.model.backbone_files import fit_encoder_config, load_backbone, read_backbone_name, shipped_backbone
from striq.scoring.devices import pick_device
from striq.scoring.scorer import StriqScorer
from striq.training.cache import FeatureCache, ViewSettings
from striq.training.calibration import Calibration
from striq.training.distributed import rank
from striq.training.negative_anchors import NegativeFrames
from striq.training.run_options import RunOptions
from striq.training.training_frames import TrainingFrames, held_out_frames
from striq.types import FrameRecord

SEEDED = "seeded"  # asks for the seeded initialization of the encoder


def make_calibration(
    records: Sequence[FrameRecord],
    options: RunOptions,
    *,
    config: StriqConfig | None = None,
    training: TrainingConfig | None = None,
    images: Tensor | None = None,
    augmentation: Augmentation | None = None,
    scorer: StriqScorer | None = None,
    negatives: NegativeFrames | None = None,
) -> Calibration:
    """Return an unprepared calibration of a new scorer, with some groups held out for validation.

    Args:
        records: Training frames.
        options: Device, backbone and folders.
        config: Settings of the scorer.
        training: Settings of the training.
        images: The frames, prepared, shape ``(N, 1, H, W)``; read and prepared here by default.
        augmentation: Makes the random views; ``striq.data.transforms.RandomView`` by default.
        scorer: Becomes the new scorer, whatever it was before.
        negatives: Frames of other planes that become negative anchors at the end.

    Raises:
        CheckpointError: If there is nothing to resume from, or the backbone does not fit.
        DatasetError: If a plane has too few frames, or frames cannot become negative anchors.
        ReadError: If a frame of a negative anchor cannot be read.
    """
    options.check_resumable()
    if negatives is not None:
        negatives.check(records, config or StriqConfig())
    training = training or TrainingConfig()
    planes, left_out = sorted({record.plane for record in records}), list[tuple[FrameRecord, str]]()
    if images is None:
        size = (config or StriqConfig()).encoder.size
        records, images = load_readable_images(records, size, quiet=options.quiet, left_out=left_out)
    config = _fitting(config or StriqConfig(), options)
    if scorer is None:
        scorer = StriqScorer(planes, config)
    else:
        scorer.rebuild(planes, config)
    scorer.to(pick_device(str(options.device)))
    pretrained = load_initial_weights(scorer, options)
    held_out = held_out_frames(records, training)
    return Calibration(
        scorer,
        TrainingFrames(images, list(records), held_out, tuple(left_out)),
        make_cache(images, options, training, augmentation),
        seed=training.seed,
        pretrained=pretrained,
        keep_paths=options.keep_paths,
        negatives=negatives,
    )


def load_initial_weights(scorer: StriqScorer, options: RunOptions) -> bool:
    """Load the backbone that a run asks for; return whether there is one, else the encoder keeps its seeded weights.

    Raises:
        CheckpointError: If the file does not fit.
    """
    weights = _initial_weights(options)
    if weights is None:
        return False
    scorer.info["encoder"] = load_backbone(scorer.model.encoder, weights)
    return True


def _initial_weights(options: RunOptions) -> str | Path | None:
    """Return the file of backbone weights that a run asks for; ``None`` for the seeded initialization."""
    weights = shipped_backbone() if options.backbone is None else options.backbone
    return None if str(weights) == SEEDED else weights


def _fitting(config: StriqConfig, options: RunOptions) -> StriqConfig:
    """Return the settings with the network whose weights a run asks for."""
    weights = _initial_weights(options)
    if weights is None:
        return config
    return replace(config, encoder=fit_encoder_config(config.encoder, read_backbone_name(weights)))


def make_cache(
    images: Tensor, options: RunOptions, training: TrainingConfig, augmentation: Augmentation | None = None
) -> FeatureCache:
    """Return the empty cache of a run.

    Args:
        images: Prepared frames, shape ``(N, 1, H, W)``.
        options: Where features go that do not fit into memory.
        training: Number and seed of the views.
        augmentation: Makes the views.
    """
    views = ViewSettings(training.views, training.seed, augmentation or RandomView())
    folder = options.features_folder / str(rank())  # each process has files of its own
    return FeatureCache(images, views, folder=folder, quiet=options.quiet)
