"""Planes learned one after another: each is added to a scorer that knows those before."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from striq.anchors.thumbnails import copy_thumbnails
from striq.config import StriqConfig, TrainingConfig
from striq.data.loading import load_images
from striq.data.splits import hold_out
from striq.errors import DatasetError
from striq.scoring.devices import pick_device
from striq.scoring.loading import load_scorer
from striq.scoring.scorer import StriqScorer
from striq.training import trainer
from striq.training.calibration import Calibration
from striq.training.continual import learning_only
from striq.training.trainer import MODEL_NAME, RESUME_NAME, determinism, make_trainer
from striq.types import FrameRecord

logger = logging.getLogger(__name__)


def train_sequential(
    records: Sequence[FrameRecord],
    output_dir: str | Path,
    *,
    order: Sequence[str] = (),
    protect: bool = True,
    config: StriqConfig | None = None,
    training: TrainingConfig | None = None,
    backbone: str | Path | None = None,
    device: str = "auto",
    resume: bool = False,
    anchor_images: bool = True,
    quiet: bool = False,
) -> StriqScorer:
    """Train plane by plane, as :func:`add_plane` does, and write ``model.pt``; no plane's frames are seen again later.

    Args:
        records: Training frames.
        output_dir: Gets ``model.pt``, and a folder per plane with the scorer after that plane.
        order: Planes in the order of learning; sorted by name by default.
        protect: False lets later planes pull at the general expert freely (an ablation).
        config: Settings of the scorer.
        training: Settings of the training on each plane.
        backbone: As in ``train_scorer``.
        device: ``"auto"``, or a device of PyTorch.
        resume: Keep the planes already learned in ``output_dir``, and continue the one begun.
        anchor_images: Keep small pictures of the anchors beside ``model.pt``.
        quiet: Do not show progress.

    Raises:
        DatasetError: If a plane has no or too few frames.
    """
    output, scorer = Path(output_dir), None
    for index, plane in enumerate(order or sorted({record.plane for record in records})):
        of_plane = [record for record in records if record.plane == plane]
        if not of_plane:
            msg = f"No frames of the plane {plane!r} to learn from."
            raise DatasetError(msg)
        stage = stage_folder(output, index, plane)
        if resume and (stage / MODEL_NAME).is_file():
            scorer = load_scorer(stage, device)
            continue
        logger.info("Learning %s", plane)
        begun = resume and (stage / RESUME_NAME).is_file()
        if scorer is None:
            scorer = trainer.train_scorer(
                of_plane,
                stage,
                config=config,
                training=training,
                backbone=backbone,
                device=device,
                resume=begun,
                anchor_images=anchor_images,
                quiet=quiet,
            )
        else:
            scorer = add_plane(
                scorer,
                of_plane,
                stage,
                protect=protect,
                training=training,
                device=device,
                resume=begun,
                anchor_images=anchor_images,
                quiet=quiet,
            )
    if scorer is None:
        msg = "No frames to learn from."
        raise DatasetError(msg)
    scorer.save(output / MODEL_NAME)
    for index, plane in enumerate(scorer.planes):
        copy_thumbnails(stage_folder(output, index, plane), output)
    return scorer


def stage_folder(output_dir: str | Path, index: int, plane: str) -> Path:
    """Return where the scorer after the plane at ``index`` of the order is written."""
    return Path(output_dir) / f"{index + 1:02d}_{plane}"


def add_plane(
    scorer: StriqScorer,
    records: Sequence[FrameRecord],
    output_dir: str | Path,
    *,
    protect: bool = True,
    training: TrainingConfig | None = None,
    device: str = "auto",
    resume: bool = False,
    anchor_images: bool = True,
    quiet: bool = False,
) -> StriqScorer:
    """Return a scorer that knows one plane more, and write ``model.pt``; the given scorer stays as it is.

    Anchors, mean map, ranges and expert of the new plane are added, and the general expert learns from it. Encoder,
    aligner and all that belongs to earlier planes stay as they are.

    Args:
        scorer: Fitted scorer.
        records: Unlabeled frames of the new plane; ratings are not looked at.
        output_dir: Gets ``model.pt``, the resumable ``checkpoint.pt`` and TensorBoard files.
        protect: False lets the new plane pull at the general expert freely (an ablation).
        training: Settings of the training.
        device: ``"auto"``, or a device of PyTorch.
        resume: Continue from ``checkpoint.pt``.
        anchor_images: Keep small pictures of the anchors beside ``model.pt``.
        quiet: Do not show progress.

    Raises:
        DatasetError: If the records are of several planes, of one the scorer knows, or too few.
    """
    training, known = training or TrainingConfig(), len(scorer.planes)
    names = sorted({record.plane for record in records})
    if len(names) != 1 or names[0] in scorer.planes:
        msg = f"Expected frames of one plane other than {', '.join(scorer.planes)}; got: {', '.join(names) or 'none'}."
        raise DatasetError(msg)
    with determinism(training.seed):
        extended = extend_scorer(scorer, names).to(pick_device(device))
        _, validation = hold_out(records, training.validation_fraction, seed=training.seed)
        chosen = set(validation)
        calibration = Calibration(
            extended,
            load_images(records, extended.config.encoder.size, quiet=quiet),
            records,
            seed=training.seed,
            num_views=training.views,
            held_out=torch.tensor([record in chosen for record in records]),
            pretrained=True,
            known=known,
            quiet=quiet,
        )
        with _frozen(extended.model.aligner), learning_only(extended.model.subspace, known, protect=protect):
            make_trainer(
                calibration,
                Path(output_dir),
                training=training,
                resume=resume,
                anchor_images=anchor_images,
                quiet=quiet,
            ).run()
    return extended.eval()


def extend_scorer(scorer: StriqScorer, planes: Sequence[str]) -> StriqScorer:
    """Return a copy of a scorer with room for more planes, not yet fitted.

    Args:
        scorer: Fitted scorer.
        planes: Names of the new planes.
    """
    extended = StriqScorer([*scorer.planes, *planes], scorer.config)
    extended.bank.resize([*(len(sources) for sources in scorer.bank.sources), *[0] * len(planes)])
    extended.bank.sources[: len(scorer.planes)] = [list(sources) for sources in scorer.bank.sources]
    extended.info = dict(scorer.info)
    room = {name: value for name, value in extended.state_dict().items() if isinstance(value, torch.Tensor)}
    for name, value in scorer.state_dict().items():
        if isinstance(value, torch.Tensor):
            target = room[name] if room[name].shape == value.shape else room[name][: len(value)]
            target.copy_(value)
    return extended


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in learned:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)
