"""Notes about an image in the datastore, and the order in which images are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

QUALITY, ERROR, MODEL, STAMP, TIME = "striq_quality", "striq_error", "striq_model", "striq_file", "striq_ts"
ROUND_SECONDS = 24 * 60 * 60.0  # until an image may be shown again in its place, as in MONAI Label's Epistemic


def score_note(score: Mapping[str, Any], model: str, stamp: str, now: float) -> dict[str, Any]:
    """Return the note about an image that has a score.

    Args:
        score: Score of the image.
        model: Text that identifies the model.
        stamp: State of the files that were scored.
        now: Time in seconds.
    """
    return {
        QUALITY: score["quality"],
        "striq_verdict": score["verdict"],
        "striq_plane": score["plane"],
        "striq_threshold": score["threshold"],
        "striq_frames": score["num_frames"],
        "striq_frames_scored": score["num_scored"],
        ERROR: None,
        MODEL: model,
        STAMP: stamp,
        TIME: int(now),
    }


def error_note(reason: str, model: str, stamp: str, now: float) -> dict[str, Any]:
    """Return the note about an image without a score; it clears the note of an earlier score."""
    nothing = dict.fromkeys((QUALITY, "striq_verdict", "striq_plane", "striq_threshold"))
    place = {MODEL: model, STAMP: stamp, TIME: int(now)}
    return {**nothing, "striq_frames": 0, "striq_frames_scored": 0, ERROR: reason, **place}


def is_current(info: Mapping[str, Any], model: str, stamp: str) -> bool:
    """Return whether this model has scored, or refused, the files as they are now."""
    return info.get(MODEL) == model and info.get(STAMP) == stamp


def turn(info: Mapping[str, Any], strategy: str, now: float) -> tuple[float, float]:
    """Return the sort key of an image: first those not shown recently, then the lowest quality.

    Convention:
        - An image without a score comes after those with one.
        - An image that was shown before it had its score counts as not shown.

    Args:
        info: Notes about the image.
        strategy: Name under which MONAI Label notes when an image was shown.
        now: Time in seconds, as ``time.time`` counts.
    """
    shown_at = info.get("strategy", {}).get(strategy, {}).get("ts", 0)
    is_shown = shown_at > now - ROUND_SECONDS and shown_at >= info.get(TIME, 0)
    quality = info.get(QUALITY)
    return float(shown_at) if is_shown else 0.0, math.inf if quality is None else float(quality)
