"""Score of one image, which may be a series of several files: every frame, and what they amount to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from lib.scorer_process import FileScores, RefusedError

NOTICE = "Research software. Not a medical device, never for diagnosis."
ACCEPTED, REJECTED = "accepted", "rejected"
FRAME_FIELDS = ("time_s", "quality", "accepted", "plane", "plane_probabilities", "terms")


def combine_files(
    scored: Mapping[str, FileScores | RefusedError], model: Mapping[str, Any], threshold: float
) -> dict[str, Any]:
    """Return the score of an image in JSON's own types.

    Convention:
        - Of several files, each counts the same, however many frames it has.
        - ``prediction`` has the form of MONAI Label's own classification models.

    Args:
        scored: By name of the file, its scores or why there are none.
        model: Description of the model by the scoring process.
        threshold: Quality that an accepted frame exceeds.

    Raises:
        RefusedError: If no frame has a score.
    """
    frames = [frame for name, scores in scored.items() for frame in _frames(name, scores)]
    summaries = [scores.summary for scores in scored.values() if isinstance(scores, FileScores)]
    summaries = [summary for summary in summaries if summary["quality"] is not None]
    if not summaries:
        first = next((frame["error"] for frame in frames), "it holds no file")
        raise RefusedError(f"No frame of the image could be scored: {first}")
    quality = median(summary["quality"] for summary in summaries)
    num_accepted_files = sum(summary["accepted"] for summary in summaries)
    scored_frames = [frame for frame in frames if "error" not in frame]
    return {
        "prediction": [{"idx": 0, "label": "quality", "score": quality}],
        "label_names": {"quality": 0},
        "quality": quality,
        "verdict": ACCEPTED if 2 * num_accepted_files > len(summaries) else REJECTED,
        "plane": Counter(summary["plane"] for summary in summaries).most_common(1)[0][0],
        "threshold": threshold,
        "terms": _medians([frame["terms"] for frame in scored_frames]),
        "num_frames": len(frames),
        "num_scored": len(scored_frames),
        "num_accepted": sum(frame["accepted"] for frame in scored_frames),
        "best_frame": _place(max(scored_frames, key=lambda frame: frame["quality"])),
        "worst_frame": _place(min(scored_frames, key=lambda frame: frame["quality"])),
        "frames": frames,
        "model": {"name": Path(model["model"]).name, "sha256": model["sha256"], "striq_version": model["version"]},
        "notice": NOTICE,
    }


def model_mark(model: Mapping[str, Any]) -> str:
    """Return the short text that identifies a model in a datastore."""
    return f"striq {model['version']}, {model['sha256'][:12]}"


def _frames(name: str, scores: FileScores | RefusedError) -> list[dict[str, Any]]:
    if isinstance(scores, RefusedError):
        return [{"file": name, "frame": None, "error": str(scores)}]
    return [_frame(name, answer) for answer in scores.frames]


def _frame(name: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    fields = ("error",) if "error" in answer else FRAME_FIELDS
    return {"file": name, "frame": answer["index"], **{key: answer[key] for key in fields}}


def _place(frame: Mapping[str, Any]) -> dict[str, Any]:
    return {key: frame[key] for key in ("file", "frame", "quality")}


def _medians(terms: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: median(values[name] for values in terms) for name in terms[0]}
