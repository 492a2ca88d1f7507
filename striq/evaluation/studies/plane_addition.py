"""Addition of a plane: scores and predicted planes of the same frames by the model before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from striq.data.loading import load_images
from striq.errors import DatasetError
from striq.evaluation.agreement.frame_inputs import FrameInputs
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import counts_text, number_text
from striq.evaluation.statistics.metrics import srcc, srcc_of_rated
from striq.progress_bar import track
from striq.scoring.recognition import recognize
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord
from striq.verdict import is_accepted

FloatArray = NDArray[np.float64]
UNDEFINED = float("nan")


@dataclass(frozen=True)
class PredictedFrames:
    """Scores and predicted planes of N frames.

    Attributes:
        quality: Q of each frame as the plane it is said to show, NaN if the scorer does not know that plane, ``(N,)``.
        planes: Predicted plane of each frame, or ``"none"``.
    """

    quality: FloatArray
    planes: tuple[str, ...]


@dataclass(frozen=True)
class PlaneChange:
    """Frames of one plane before and after; undefined values are NaN.

    Attributes:
        plane: Name of the plane.
        frames: Number of frames.
        mean_change: Mean absolute difference of Q.
        largest_change: Largest absolute difference of Q.
        verdicts_changed: Number of frames accepted by one model and not by the other.
        rank_correlation: SRCC of Q before with Q after.
        srcc_before: SRCC of Q with the ratings, before.
        srcc_after: SRCC of Q with the ratings, after.
        predicted_before: How often each plane, or ``"none"``, was predicted before.
        predicted_after: How often each plane, or ``"none"``, was predicted after.
    """

    plane: str
    frames: int
    mean_change: float
    largest_change: float
    verdicts_changed: int
    rank_correlation: float
    srcc_before: float
    srcc_after: float
    predicted_before: dict[str, int]
    predicted_after: dict[str, int]


@torch.inference_mode()
def score_and_predict(scorer: StriqScorer, records: Sequence[FrameRecord], *, quiet: bool = False) -> PredictedFrames:
    """Return the quality of each frame as the plane it is said to show, and its predicted plane.

    Args:
        scorer: Fitted scorer.
        records: Frames, read one at a time.
        quiet: Do not show a progress bar.
    """
    quality: list[float] = []
    predicted: list[str] = []
    for record in track(records, description="Scoring", quiet=quiet):
        image = load_images([record], scorer.config.encoder.size, quiet=True).to(scorer.device)
        frozen = scorer.embed(image)
        predicted += recognize(scorer, image, frozen, scorer.frame_terms(image)).names(scorer.planes)
        known = record.plane in scorer.planes
        quality.append(FrameInputs.encode(scorer, image, record.plane, frozen).quality() if known else UNDEFINED)
    return PredictedFrames(np.array(quality), tuple(predicted))


def compare_models(
    before: StriqScorer, after: StriqScorer, records: Sequence[FrameRecord], *, quiet: bool = False
) -> list[PlaneChange]:
    """Return what changed for the frames of each plane that the later model knows.

    Args:
        before: Scorer with fewer planes.
        after: Scorer with more planes.
        records: Frames that neither was trained on, rated or not; those of planes unknown to ``after`` are left out.
        quiet: Do not show progress bars.

    Raises:
        DatasetError: If no frame shows a plane of the later model.
    """
    some = [record for record in records if record.plane in after.planes]
    if not some:
        msg = f"No frame shows one of the planes {', '.join(after.planes)}. Give frames of them to check."
        raise DatasetError(msg)
    first, second = (score_and_predict(scorer, some, quiet=quiet) for scorer in (before, after))
    limits = (before.config.quality.threshold, after.config.quality.threshold)
    return [
        _change(plane, some, (first, second), limits)
        for plane in after.planes
        if any(record.plane == plane for record in some)
    ]


def plane_addition_report(changes: Sequence[PlaneChange], *, note: str = "") -> StudyReport:
    """Return the report on the addition of a plane.

    Args:
        changes: Changes as :func:`compare_models` returns them.
        note: A sentence printed with the table.
    """
    columns = ["Plane", "frames", "mean change of Q", "largest", "verdicts changed", "Q before against after, SRCC"]
    columns += ["SRCC with rating before", "after", "predicted planes before", "after"]
    cells = [
        [
            one.plane,
            str(one.frames),
            *(number_text(value, digits=4) for value in (one.mean_change, one.largest_change)),
            "n/a" if np.isnan(one.mean_change) else str(one.verdicts_changed),
            *(number_text(value) for value in (one.rank_correlation, one.srcc_before, one.srcc_after)),
            *(counts_text(counts) for counts in (one.predicted_before, one.predicted_after)),
        ]
        for one in changes
    ]
    remark = "Q: of a frame as the plane it is said to show. Predicted planes: how often the model predicts each plane."
    return StudyReport(
        name="plane_addition",
        title="Model before and after the addition of a plane",
        tables=[ReportTable(columns, cells, remarks=[remark])],
        facts={"planes": changes},
        note=note,
    )


def _change(
    plane: str,
    records: Sequence[FrameRecord],
    models: tuple[PredictedFrames, PredictedFrames],
    limits: tuple[float, float],
) -> PlaneChange:
    chosen = np.array([record.plane == plane for record in records])
    ratings = np.array([UNDEFINED if r.rating is None else r.rating for r in records], dtype=np.float64)[chosen]
    before, after = (model.quality[chosen] for model in models)
    known = not np.isnan(before).any()
    change = np.abs(after - before)
    return PlaneChange(
        plane,
        int(chosen.sum()),
        float(change.mean()),
        float(change.max()),
        verdicts_changed=_count_changed_verdicts(plane, (before, after), limits) if known else 0,
        rank_correlation=srcc(before, after) if known else UNDEFINED,
        srcc_before=srcc_of_rated(before, ratings),
        srcc_after=srcc_of_rated(after, ratings),
        predicted_before=_count(models[0].planes, chosen),
        predicted_after=_count(models[1].planes, chosen),
    )


def _count_changed_verdicts(plane: str, qualities: tuple[FloatArray, FloatArray], limits: tuple[float, float]) -> int:
    """Return how many frames of a plane are accepted by one model and not by the other."""
    first, second = (
        [is_accepted(value, plane, limit) for value in quality.tolist()]
        for quality, limit in zip(qualities, limits, strict=True)
    )
    return sum(a != b for a, b in zip(first, second, strict=True))


def _count(planes: Sequence[str], chosen: NDArray[np.bool_]) -> dict[str, int]:
    """Return how often each plane is among the chosen ones, the most frequent first."""
    some = [plane for plane, is_chosen in zip(planes, chosen, strict=True) if is_chosen]
    return {name: some.count(name) for name in sorted(set(some), key=lambda name: (-some.count(name), name))}
