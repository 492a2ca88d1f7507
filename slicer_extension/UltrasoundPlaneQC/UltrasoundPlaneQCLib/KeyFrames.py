"""Key frames that the user has chosen; the table of scores keeps them."""

from __future__ import annotations

import json

from .Navigation import bestFrame
from .Results import Results

KEY_FRAMES = "STRIQ.keyFrames"  # attribute of the table


def keyFrames(results: Results) -> list[int]:
    """Return the frames that were chosen, in order."""
    chosen: list[int] = json.loads(results.node.GetAttribute(KEY_FRAMES) or "[]")
    return [index for index in chosen if 0 <= index < len(results)]


def toggleKeyFrame(results: Results, index: int) -> None:
    """Choose a frame, or no longer choose it."""
    chosen = set(keyFrames(results)) ^ {index}
    results.node.SetAttribute(KEY_FRAMES, json.dumps(sorted(chosen)))


def keyFramesOrBest(results: Results) -> list[int]:
    """Return the frames that were chosen; the best one if there is none; nothing without any score."""
    best = bestFrame(results)
    return keyFrames(results) or ([] if best is None else [best])
