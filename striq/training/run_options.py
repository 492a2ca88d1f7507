"""Options of a training run: where it writes, on which device, and whether it resumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from striq.errors import CheckpointError
from striq.scoring.devices import AUTO


@dataclass(frozen=True)
class RunOptions:
    """Where and how a training runs. What it learns is set by ``StriqConfig`` and ``TrainingConfig``.

    Attributes:
        output_dir: Folder for ``model.pt``, the thumbnails of its anchors and the TensorBoard files.
        work_dir: Folder for the resumable ``checkpoint.pt`` and features that do not fit into memory; ``output_dir``
            by default.
        device: ``"auto"``, or a device of PyTorch.
        backbone: Local weights of the encoder, or ``"seeded"`` for seeded weights; the shipped file by default.
        resume: Continue from ``checkpoint.pt``.
        anchor_images: Write thumbnails of the anchors beside ``model.pt``.
        report_pictures: Show training frames in the report; without thumbnails of anchors it shows none either.
        quiet: Hide progress bars.
        keep_paths: Keep the names of the anchors' files in the model; by default it holds hashes only.
    """

    output_dir: str | Path
    work_dir: str | Path | None = None
    device: str | torch.device = AUTO
    backbone: str | Path | None = None
    resume: bool = False
    anchor_images: bool = True
    report_pictures: bool = True
    quiet: bool = False
    keep_paths: bool = False

    @property
    def model_file(self) -> Path:
        """Checkpoint of the finished scorer."""
        return Path(self.output_dir) / "model.pt"

    @property
    def checkpoint_file(self) -> Path:
        """State of an unfinished training, written after each epoch."""
        return self._work_dir / "checkpoint.pt"

    @property
    def curves_folder(self) -> Path:
        """TensorBoard files of training and validation."""
        return Path(self.output_dir) / "tensorboard"

    @property
    def features_folder(self) -> Path:
        """Features that do not fit into memory; removed when the training is finished."""
        return self._work_dir / "features"

    @property
    def _work_dir(self) -> Path:
        return Path(self.output_dir if self.work_dir is None else self.work_dir)

    def check_resumable(self) -> None:
        """Check that there is a checkpoint if the run resumes.

        Raises:
            CheckpointError: If ``resume`` is set and there is no ``checkpoint.pt``.
        """
        if self.resume and not self.checkpoint_file.is_file():
            msg = f"{self.checkpoint_file}: nothing to resume from. Train once without resuming."
            raise CheckpointError(msg)
