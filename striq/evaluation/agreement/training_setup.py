"""Settings of the trainings that an evaluation or a study runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from striq.config import StriqConfig, TrainingConfig


@dataclass(frozen=True)
class TrainingSetup:
    """How scorers are trained.

    Attributes:
        config: Settings of the scorer.
        training: Settings of the training.
        backbone: Local weights of the encoder; the shipped weights by default.
        device: ``"auto"``, or a device of PyTorch.
        quiet: Do not show progress.
    """

    config: StriqConfig = field(default_factory=StriqConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    backbone: str | Path | None = None
    device: str = "auto"
    quiet: bool = False
