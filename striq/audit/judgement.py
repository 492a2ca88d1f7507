"""Verdicts by a policy, which knows the site of a file by the header."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from striq.policies.policy import Policy
from striq.reporting.identity import ModelIdentity
from striq.scoring.results import FrameResult

if TYPE_CHECKING:
    from striq.audit.attributes import Attributes


def judged(result: FrameResult, policy: Policy | None, origin: Attributes, otherwise: float) -> FrameResult:
    """Return a result with threshold and verdict by a policy, and what its row says of the policy.

    Args:
        result: Result of one frame.
        policy: The policy; without one, the result stays as it is.
        origin: Origin of the file.
        otherwise: Threshold where the policy states none.
    """
    if policy is None:
        return result
    names = (origin.site, origin.station)
    score = None if result.score is None else policy.judge(result.score, *names, otherwise=otherwise)
    return replace(result, score=score, policy=policy.record(*names))


def judge_by(model: ModelIdentity, path: Path) -> Callable[[FrameResult], FrameResult]:
    """Return what judges the results of one file by the policy of a model, if it has one.

    Args:
        model: Model, threshold and policy.
        path: The file, whose header is read only if there is a policy.
    """
    if model.policy is None:
        return lambda result: result
    from striq.audit.attributes import read_attributes  # loads pydicom, which pictures do not need

    origin = read_attributes(path)
    return lambda result: judged(result, model.policy, origin, model.threshold)
