"""The answer of the app for one image: every frame, and what they amount to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from lib.scorer_process import FileScores, RefusedError

NOTICE = "Research software. Not a medical device, never for diagnosis."
ACCEPTED, REJECTED = "accepted", "rejected"


def judge(
    scored: Mapping[str, FileScores | RefusedError], model: Mapping[str, Any], threshold: float
) -> dict[str, Any]:
    """Return the judgement of an image in JSON's own types.

    Convention:
        - Of several files, each counts the same, however many frames it has.
        - ``prediction`` is what MONAI Label's own classification models answer.

    Args:
        scored: By name of the file, its scores or why there are none.
        model: What the scoring process said of its model.
        threshold: Q above which a frame was accepted.

    Raises:
        RefusedError: If not one frame has a score.
    """
    frames = [frame for name, scores in scored.items() for frame in _frames(name, scores)]
    summaries = [scores.summary for scores in scored.values() if isinstance(scores, FileScores)]
    judged = [summary for summary in summaries if summary["quality"] is not None]
    if not judged:
        first = next((frame["error"] for frame in frames), "it holds no file")
        raise RefusedError(f"No frame of the image could be scored: {first}")
    quality = median(summary["quality"] for summary in judged)
    done = [frame for frame in frames if "error" not in frame]
    return {
        "prediction": [{"idx": 0, "label": "quality", "score": quality}],
        "label_names": {"quality": 0},
        "quality": quality,
        "verdict": ACCEPTED if 2 * sum(summary["accepted"] for summary in judged) > len(judged) else REJECTED,
        "plane": Counter(summary["plane"] for summary in judged).most_common(1)[0][0],
        "threshold": threshold,
        "terms": _medians([frame["terms"] for frame in done]),
        "num_frames": len(frames),
        "num_scored": len(done),
        "num_accepted": sum(frame["accepted"] for frame in done),
        "best_frame": _place(max(done, key=lambda frame: frame["quality"])),
        "worst_frame": _place(min(done, key=lambda frame: frame["quality"])),
        "frames": frames,
        "model": {"name": Path(model["model"]).name, "sha256": model["sha256"], "striq_version": model["version"]},
        "notice": NOTICE,
    }


def model_mark(model: Mapping[str, Any]) -> str:
    """Return the short text that tells one model from another in a datastore."""
    return f"striq {model['version']}, {model['sha256'][:12]}"


def _frames(name: str, scores: FileScores | RefusedError) -> list[dict[str, Any]]:
    if isinstance(scores, RefusedError):
        return [{"file": name, "frame": None, "error": str(scores)}]
    return [_frame(name, answer) for answer in scores.frames]


def _frame(name: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    place = {"file": name, "frame": answer["index"]}
    if "error" in answer:
        return {**place, "error": answer["error"]}
    wanted = ("time_s", "quality", "accepted", "plane", "plane_probabilities", "terms")
    return {**place, **{key: answer[key] for key in wanted}}


def _place(frame: Mapping[str, Any]) -> dict[str, Any]:
    return {key: frame[key] for key in ("file", "frame", "quality")}


def _medians(terms: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: median(values[name] for values in terms) for name in terms[0]}
