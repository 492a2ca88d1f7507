"""Validation of a checkpoint before a scorer is built from it: a damaged one must never give a plausible score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from striq.config import StriqConfig
from striq.errors import CheckpointError, one_line
from striq.model.encoder import STAGE_STRIDES
from striq.model.resnet import BACKBONES
from striq.plane_names import RULE, is_plane_name
from striq.scoring.checkpoint import EVIDENCE, FORMAT_VERSION, NEGATIVES, READABLE_VERSIONS, buffers_since
from striq.types import Mode

MAX_SETTING = 4096  # of every size and count in the settings
MAX_PLANES = 1000
FREE_SETTINGS = ("seed",)  # whole numbers that are no size
MAX_WEIGHT_ERROR = 1e-3  # of the sum of a plane's weights


def check_state(state: Mapping[str, Any]) -> None:
    """Check what a state dict states before anything is allocated for it.

    Args:
        state: State dict, as ``StriqScorer.state_dict`` returns it.

    Raises:
        CheckpointError: If it is of another program or version, a number is not finite, a range is empty, weights do
            not sum to one, a plane has no proper name, or sizes do not fit each other.
    """
    extra = state.get("_extra_state")
    if not isinstance(extra, dict) or extra.get("format_version") not in READABLE_VERSIONS:
        msg = f"Not a STRIQ checkpoint of format {FORMAT_VERSION}. Give a model.pt written by this version of STRIQ."
        raise CheckpointError(msg)
    try:
        _check(state, extra)
    except Exception as error:  # a foreign container raises any kind where it is used as another
        msg = f"This model cannot be used: {one_line(error)}. Give a model.pt written by 'striq train'."
        raise CheckpointError(msg) from error


def _check(state: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
    planes = extra["planes"]
    _check_planes(planes)
    config = StriqConfig.from_dict(extra["config"])
    _check_settings(config)
    for name, value in state.items():
        if isinstance(value, Tensor) and value.is_floating_point() and name != EVIDENCE:
            _require(bool(torch.isfinite(value).all()), f"{name} has numbers that are not finite")
    _check_ranges(state, len(planes))
    lacking = buffers_since(extra["format_version"])
    if EVIDENCE not in lacking:
        _check_evidence(state[EVIDENCE], len(planes))
    counts = {"bank": [len(sources) for sources in extra["anchor_sources"]]}
    if NEGATIVES not in lacking:
        counts["negatives"] = [len(sources) for sources in extra["negative_sources"]]
    _check_sizes(state, config, counts, len(planes))


def _check_planes(planes: Any) -> None:
    _require(isinstance(planes, (list, tuple)) and 0 < len(planes) <= MAX_PLANES, "the list of planes is missing")
    for name in planes:
        _require(is_plane_name(name), f"the plane {str(name)[:80]!r} must be named by {RULE}")
    _require(len(set(planes)) == len(planes), f"planes are named twice: {planes}")


def _check_settings(config: StriqConfig) -> None:
    for part, settings in config.to_dict().items():
        for name, value in settings.items():
            _check_setting(f"{part}.{name}", value, is_size=name not in FREE_SETTINGS)
    _require(config.aligner.mode in get_args(Mode), f"unknown mode {config.aligner.mode!r}")
    _require(0 <= config.quality.threshold <= 1, f"the threshold {config.quality.threshold} is outside 0 to 1")
    _require(config.encoder.backbone in BACKBONES, f"unknown backbone {str(config.encoder.backbone)[:60]!r}")
    kept = zip(config.encoder.channels, BACKBONES[config.encoder.backbone].channels, strict=True)
    _require(all(few <= all_ for few, all_ in kept), "more channels are kept than the backbone has")
    sizes = (*config.encoder.size, *config.encoder.channels, config.quality.num_anchors, config.subspace.rank)
    _require(all(size > 0 for size in sizes), f"sizes must be positive, got {sizes}")


def _check_setting(name: str, value: Any, *, is_size: bool) -> None:
    if isinstance(value, Mapping):
        value = list(value.values())
    for number in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(number, float):
            _require(math.isfinite(number), f"the setting {name} is {number}")
        elif isinstance(number, int) and is_size:
            _require(0 <= number <= MAX_SETTING, f"the setting {name} is {number}, outside 0 to {MAX_SETTING}")


def _check_ranges(state: Mapping[str, Any], num_planes: int) -> None:
    low, high, weights = (state[name].double() for name in ("range_low", "range_high", "term_weights"))
    _require(low.shape == high.shape == weights.shape and len(low) == num_planes, "ranges do not fit the planes")
    _require(bool((low <= high).all()), "a range of a term ends below its beginning")
    _require(bool((low < high)[weights > 0].all()), "a term that counts has an empty range")
    _require(bool((weights >= 0).all()), "a weight of a term is negative")
    sums = weights.sum(dim=1)
    _require(bool(((sums - 1).abs() < MAX_WEIGHT_ERROR).all()), f"weights sum to {sums.tolist()}, not to 1")


def _check_evidence(evidence: Tensor, num_planes: int) -> None:
    """Check threshold and spread of the planes' evidence; both are infinite where evidence is not used."""
    _require(evidence.shape == (num_planes, 2), "the ranges of evidence do not fit the planes")
    used = evidence[~evidence.isposinf().all(dim=1)]
    _require(bool(torch.isfinite(used).all()), f"{EVIDENCE} has numbers that are not finite")
    _require(bool((used[:, 1] >= 0).all()), "a spread of evidence is negative")


def _check_sizes(
    state: Mapping[str, Any], config: StriqConfig, counts: Mapping[str, Sequence[int]], num_planes: int
) -> None:
    """Compare the sizes in the settings, by which memory is allocated, with the tensors that are there."""
    for of_bank in counts.values():
        _require(len(of_bank) == num_planes, f"anchors of {len(of_bank)} planes for {num_planes} planes")
    height, width = config.encoder.size
    for stage, (channels, stride) in enumerate(zip(config.encoder.channels, STAGE_STRIDES, strict=True)):
        cells = (channels, height // stride, width // stride)
        _require_shape(state, f"model.mean_map{stage}", (num_planes, *cells))
        for bank, of_bank in counts.items():
            for plane, count in enumerate(of_bank):
                if count or f"{bank}.maps{stage}_{plane}" in state:
                    _require_shape(state, f"{bank}.maps{stage}_{plane}", (count, *cells))


def _require_shape(state: Mapping[str, Any], name: str, expected: tuple[int, ...]) -> None:
    found = tuple(state[name].shape)
    _require(found == expected, f"{name} has shape {found}, not {expected} as the settings state")


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)
