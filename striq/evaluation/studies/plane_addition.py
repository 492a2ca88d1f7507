"""What one plane more does to a model: frames of every plane scored by the model before and by the model after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from striq.atomic_files import write_json, write_text
from striq.data.loading import load_images
from striq.errors import DatasetError
from striq.evaluation.agreement.tables import figure_text, markdown_table
from striq.evaluation.statistics.metrics import srcc
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord
from striq.verdict import NO_PLANE

FloatArray = NDArray[np.float64]
UNDEFINED = float("nan")


@dataclass(frozen=True)
class JudgedFrames:
    """Frames as a scorer judges them.

    Attributes:
        quality: Q of each frame as the plane it is said to show, NaN where the scorer does not know that, ``(N,)``.
        answers: The plane the scorer gives each frame by itself, or ``"none"``.
    """

    quality: FloatArray
    answers: tuple[str, ...]


@dataclass(frozen=True)
class PlaneChange:
    """One plane's frames before and after; figures that are not defined are NaN.

    Attributes:
        plane: Name.
        frames: Number of frames.
        mean_change: Mean absolute difference of Q.
        largest_change: Largest absolute difference of Q.
        verdicts_changed: Frames accepted by one model and not by the other.
        rank_correlation: Spearman correlation of Q before with Q after.
        srcc_before: Spearman correlation of Q with the ratings, before.
        srcc_after: The same after.
        answers_before: How often each plane, or ``"none"``, was the answer to these frames before.
        answers_after: The same after.
    """

    plane: str
    frames: int
    mean_change: float
    largest_change: float
    verdicts_changed: int
    rank_correlation: float
    srcc_before: float
    srcc_after: float
    answers_before: dict[str, int]
    answers_after: dict[str, int]


@torch.inference_mode()
def judge_frames(scorer: StriqScorer, records: Sequence[FrameRecord], *, quiet: bool = False) -> JudgedFrames:
    """Return each frame's quality as the plane it is said to show, and the plane the scorer gives it.

    Args:
        scorer: Fitted scorer.
        records: Frames, read one at a time.
        quiet: Do not show a progress bar.
    """
    names, quality, answers = [*scorer.planes, NO_PLANE], [], []
    for record in track(records, description="Scoring", disable=quiet, transient=True):
        image = load_images([record], scorer.config.encoder.size, quiet=True).to(scorer.device)
        frozen = scorer.embed(image)
        answers.append(names[int(scorer.plane_posterior(frozen)[0].argmax())])
        known = record.plane in scorer.planes
        value = UNDEFINED
        if known:
            plane = scorer.plane_index(record.plane)
            value = float(scorer.score_as_plane(frozen, scorer.frame_terms(image), plane).quality)
        quality.append(value)
    return JudgedFrames(np.array(quality), tuple(answers))


def compare_models(
    before: StriqScorer, after: StriqScorer, records: Sequence[FrameRecord], *, quiet: bool = False
) -> list[PlaneChange]:
    """Return what changed for the frames of each plane that the later model knows.

    Args:
        before: Scorer with fewer planes.
        after: Scorer with more.
        records: Frames that neither was trained on, rated or not; those of other planes are left out.
        quiet: Do not show progress bars.

    Raises:
        DatasetError: If no frame shows a plane of the later model.
    """
    some = [record for record in records if record.plane in after.planes]
    if not some:
        msg = f"No frame shows one of the planes {', '.join(after.planes)}. Give frames of them to check."
        raise DatasetError(msg)
    first, second = (judge_frames(scorer, some, quiet=quiet) for scorer in (before, after))
    limits = [scorer.config.quality.threshold for scorer in (before, after)]
    return [
        _change(plane, some, first, second, limits)
        for plane in after.planes
        if any(record.plane == plane for record in some)
    ]


def write_comparison(changes: Sequence[PlaneChange], output: Path, *, note: str = "") -> str:
    """Write ``before_after.json`` and ``before_after.md``, and return the Markdown.

    Args:
        changes: As :func:`compare_models` returned them.
        output: Folder.
        note: A sentence printed beside every figure.
    """
    rows = [
        {key: None if isinstance(v, float) and np.isnan(v) else v for key, v in asdict(one).items()} for one in changes
    ]
    write_json(output / "before_after.json", {"note": note, "planes": rows})
    text = comparison_markdown(changes, note=note)
    write_text(output / "before_after.md", text)
    return text


def comparison_markdown(changes: Sequence[PlaneChange], *, note: str = "") -> str:
    """Return the table of changes as Markdown."""
    titles = ["Plane", "frames", "mean change of Q", "largest", "verdicts changed", "Q before against after, SRCC"]
    titles += ["SRCC with rating before", "after", "told before", "told after"]
    cells = [
        [
            one.plane,
            str(one.frames),
            *(figure_text(value, digits=4) for value in (one.mean_change, one.largest_change)),
            "n/a" if np.isnan(one.mean_change) else str(one.verdicts_changed),
            *(figure_text(value) for value in (one.rank_correlation, one.srcc_before, one.srcc_after)),
            *(_counts(answers) for answers in (one.answers_before, one.answers_after)),
        ]
        for one in changes
    ]
    lines = markdown_table(titles, cells)
    method = "Q: as the plane a frame is said to show. Told: the planes the model gives these frames by itself."
    return "\n".join([*lines, "", method, *(["", f"**Note:** {note}"] if note else []), ""])


def _change(
    plane: str, records: Sequence[FrameRecord], first: JudgedFrames, second: JudgedFrames, limits: Sequence[float]
) -> PlaneChange:
    chosen = np.array([record.plane == plane for record in records])
    ratings = np.array([UNDEFINED if r.rating is None else r.rating for r in records], dtype=np.float64)[chosen]
    before, after = first.quality[chosen], second.quality[chosen]
    known = not np.isnan(before).any()
    change = np.abs(after - before)
    return PlaneChange(
        plane,
        int(chosen.sum()),
        float(change.mean()),
        float(change.max()),
        int(((before > limits[0]) != (after > limits[1])).sum()) if known else 0,
        srcc(before, after) if known else UNDEFINED,
        _agreement(before, ratings),
        _agreement(after, ratings),
        *(_count([a for a, c in zip(some.answers, chosen, strict=True) if c]) for some in (first, second)),
    )


def _agreement(quality: FloatArray, ratings: FloatArray) -> float:
    rated = ~np.isnan(ratings) & ~np.isnan(quality)
    return srcc(quality[rated], ratings[rated]) if rated.sum() > 1 else UNDEFINED


def _count(answers: Sequence[str]) -> dict[str, int]:
    return {name: answers.count(name) for name in sorted(set(answers), key=answers.count, reverse=True)}


def _counts(answers: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in answers.items())
