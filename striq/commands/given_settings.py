"""Settings made from the options of several commands: of a scorer, a training, the network and the policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from striq.errors import StriqError
from striq.types import Mode

if TYPE_CHECKING:
    from striq.config import StriqConfig, TrainingConfig
    from striq.policies.policy import Policy


def make_config(
    mode: str, strategy: str | None, num_anchors: int | None, appearance_matching: float | None = None
) -> StriqConfig:
    """Return the settings of a scorer, those not given at their defaults."""
    from striq.config import AlignerConfig, QualityConfig, StriqConfig

    given: dict[str, Any] = {
        "anchor_strategy": strategy,
        "num_anchors": num_anchors,
        "appearance_matching": appearance_matching,
    }
    quality = QualityConfig(**{name: value for name, value in given.items() if value is not None})
    return StriqConfig(aligner=AlignerConfig(mode=cast("Mode", mode)), quality=quality)


def read_given_policy(policy: Path | None, threshold: float | None) -> tuple[Policy | None, str]:
    """Return the policy that the user has given, and its text; ``None`` and an empty text if there is none.

    Raises:
        StriqError: If the file is no policy, or a threshold is given as well.
    """
    if policy is None:
        return None, ""
    if threshold is not None:
        msg = "Give either --policy or --threshold, not both: the policy states the thresholds."
        raise StriqError(msg)
    from striq.policies.reading import parse_policy
    from striq.toml_files import read_toml_text

    text = read_toml_text(policy)
    return parse_policy(text, policy), text


def warn_of_policy(policy: Policy | None, planes: Sequence[str]) -> list[str]:
    """Return sentences about a policy that the user should know before frames are judged by it."""
    if policy is None:
        return []
    unknown = policy.unknown_planes(tuple(planes))
    warnings = [f"Policy {policy}: the model does not know {', '.join(unknown)}."] if unknown else []
    return [
        *warnings,
        *([f"Policy {policy}: is an example; adapt it to your department."] if policy.is_example else []),
    ]


def make_training(epochs: int | None, seed: int, *, amp: bool = False) -> TrainingConfig:
    """Return the settings of a training."""
    from striq.config import TrainingConfig

    given = TrainingConfig(seed=seed, amp=amp)
    return given if epochs is None else replace(given, max_epochs=epochs)


def check_backbone(name: str) -> None:
    """Check the name of a network.

    Raises:
        StriqError: If it is not known.
    """
    from striq.model.resnet import BACKBONES

    if name not in BACKBONES:
        msg = f"--backbone: expected one of {', '.join(BACKBONES)}, got {name!r}."
        raise StriqError(msg)


def find_backbone(backbone: Path | None, *, download: bool, folder: Path) -> Path | None:
    """Return the file of backbone weights asked for, fetched into ``folder`` if need be.

    Raises:
        StriqError: If both a file and a download are asked for, or the download fails.
    """
    if not download:
        return backbone
    if backbone is not None:
        msg = "Give either --backbone or --download-imagenet, not both."
        raise StriqError(msg)
    from striq.config import EncoderConfig
    from striq.model.backbone_files import IMAGENET_URL, download_imagenet
    from striq.model.encoder import FrozenEncoder

    try:
        download_imagenet(FrozenEncoder(EncoderConfig()), folder)
    except (OSError, RuntimeError) as error:  # no connection, or another hash than expected
        msg = f"{IMAGENET_URL}: cannot be fetched ({error}). Download it elsewhere and pass it with --backbone."
        raise StriqError(msg) from error
    return folder / Path(IMAGENET_URL).name
