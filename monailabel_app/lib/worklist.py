"""What the app notes about an image in the datastore, and in which order images are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

QUALITY, ERROR, MODEL, STAMP, TIME = "striq_quality", "striq_error", "striq_model", "striq_file", "striq_ts"
ROUND_SECONDS = 24 * 60 * 60.0  # after which an image may be shown again in its place, as in MONAI Label's Epistemic


def score_note(judged: Mapping[str, Any], model: str, stamp: str, now: float) -> dict[str, Any]:
    """Return what is noted about an image that has a score.

    Args:
        judged: The judgement of the image.
        model: The mark of the model.
        stamp: The state of the files that were scored.
        now: Time in seconds.
    """
    return {
        QUALITY: judged["quality"],
        "striq_verdict": judged["verdict"],
        "striq_plane": judged["plane"],
        "striq_threshold": judged["threshold"],
        "striq_frames": judged["num_frames"],
        "striq_frames_scored": judged["num_scored"],
        ERROR: None,
        MODEL: model,
        STAMP: stamp,
        TIME: int(now),
    }


def error_note(reason: str, model: str, stamp: str, now: float) -> dict[str, Any]:
    """Return what is noted about an image without a score; what an earlier score noted is taken back."""
    nothing = dict.fromkeys((QUALITY, "striq_verdict", "striq_plane", "striq_threshold"))
    place = {MODEL: model, STAMP: stamp, TIME: int(now)}
    return {**nothing, "striq_frames": 0, "striq_frames_scored": 0, ERROR: reason, **place}


def is_current(info: Mapping[str, Any], model: str, stamp: str) -> bool:
    """Return whether an image was scored, or refused, by this model in this state."""
    return info.get(MODEL) == model and info.get(STAMP) == stamp


def turn(info: Mapping[str, Any], strategy: str, now: float) -> tuple[float, float]:
    """Return the key that images are sorted by: those not shown of late, then the lowest quality.

    Convention:
        - An image without a score comes after those with one.
        - An image shown before it had its score has not been shown.

    Args:
        info: What is noted about the image.
        strategy: Name under which MONAI Label notes when an image was shown.
        now: Time in seconds, as ``time.time`` counts.
    """
    shown_at = info.get("strategy", {}).get(strategy, {}).get("ts", 0)
    is_shown = shown_at > now - ROUND_SECONDS and shown_at >= info.get(TIME, 0)
    quality = info.get(QUALITY)
    return float(shown_at) if is_shown else 0.0, math.inf if quality is None else float(quality)
