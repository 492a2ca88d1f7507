"""Figures 4 and 5: scores of frames under growing deformation, noise and loss of structure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from striq.data.augmentation import extend_beyond_fan, move
from striq.data.degradation import SEVERITIES, degrade
from striq.data.preprocessing import DARKEST
from striq.evaluation.agreement.frame_inputs import FrameInputs
from striq.evaluation.reports.figures import MAIN_COLOR, new_figure, tidy
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import number_text, yes_or_no
from striq.evaluation.reproduction.finding import Finding
from striq.evaluation.reproduction.ordered_frames import label, show
from striq.evaluation.reproduction.published import published_plane
from striq.evaluation.reproduction.run import ReproductionRun
from striq.evaluation.studies.robustness import evenly_spaced, frame_seed
from striq.progress_bar import track
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord

Change = Callable[[Tensor, float, int], Tensor]
TURN_DEG, SHIFT = 45.0, 0.3  # of the rigid motion at its largest; the frame has width 2
NOISE = 0.3  # standard deviation at its largest, of gray values 0 to 1
FRAMES = 12  # of each plane, in the curves
CARDIAC = ("A2C", "A4C")
PANEL_INCHES = 1.3


@dataclass(frozen=True)
class ChangedFrame:
    """Q of frames of a plane under a change.

    Attributes:
        plane: Name of the plane.
        kind: Name of the change.
        quality: Q of N frames at S severities, shape ``(N, S)``.
        pictures: One of the frames at each severity, shape ``(S, H, W)``.
        shown: Which of the frames that is.
    """

    plane: str
    kind: str
    quality: NDArray[np.float64]
    pictures: NDArray[np.float32]
    shown: int

    @property
    def medians(self) -> list[float]:
        """Median Q at each severity."""
        return np.median(self.quality, axis=0).tolist()


def rigid_motion(image: Tensor, severity: float, seed: int) -> Tensor:
    """Turn and shift a prepared frame inside its fan, shape ``(1, H, W)``."""
    sign = 1 if seed % 2 else -1
    angle = math.radians(sign * TURN_DEG * severity)
    rows = [
        [math.cos(angle), -math.sin(angle), SHIFT * severity],
        [math.sin(angle), math.cos(angle), sign * SHIFT * severity],
    ]
    moved = move(extend_beyond_fan(image), torch.tensor(rows), image.shape[1:])
    return torch.where(image > 0, moved, 0.0)


def noise(image: Tensor, severity: float, seed: int) -> Tensor:
    """Add white noise to a prepared frame inside its fan, shape ``(1, H, W)``."""
    drawn = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(image > 0, (image + NOISE * severity * drawn).clamp(DARKEST, 1.0), 0.0)


def _loss(kind: str) -> Change:
    return lambda image, severity, seed: degrade(image, kind, severity, seed=seed)


DEFORMATIONS: Mapping[str, Change] = {"rigid motion": rigid_motion, "deformation": _loss("deformation")}
LOSSES: Mapping[str, Change] = {"noise": noise, "shadow": _loss("shadow"), "foreshortening": _loss("foreshortening")}


def deformed_frames(run: ReproductionRun) -> Finding:
    """Return Figure 4."""
    missing = [
        "The paper's figure shows frames of US4QA, which are not public, and prints no figures of its own.",
        "How far it deforms frames is not stated; here the rigid motion reaches "
        f"{TURN_DEG:g} degrees and {50 * SHIFT:g} % of the width, the deformation a fifth of the width.",
    ]
    title = "Figure 4: scores under rigid motion and deformation"
    return Finding(_report(run, "fig4", title, DEFORMATIONS, cardiac=False), missing)


def lossy_frames(run: ReproductionRun) -> Finding:
    """Return Figure 5."""
    missing = [
        "The paper's figure shows frames of CAMUS in both views; how strong its noise and loss are is not stated."
    ]
    title = "Figure 5: scores under noise and loss of structure"
    return Finding(_report(run, "fig5", title, LOSSES, cardiac=True), missing)


def _report(
    run: ReproductionRun, name: str, title: str, changes: Mapping[str, Change], *, cardiac: bool
) -> StudyReport:
    scorer, held_out = run.first_fold()
    records = _of_figure(held_out, cardiac=cardiac)
    found = score_changes(scorer, records, run.images(records), changes, quiet=run.setup.quiet)
    rows = [
        [one.plane, one.kind, *map(number_text, one.medians), yes_or_no(bool((np.diff(one.medians) < 0).all()))]
        for one in found
    ]
    columns = ["Plane", "Change", *(f"severity {severity:g}" for severity in SEVERITIES), "falls throughout"]
    remark = f"Median Q of up to {FRAMES} frames of the first fold, which its model was not trained on."
    return StudyReport(
        name=name,
        title=title,
        tables=[ReportTable(columns, rows, remarks=[remark])],
        facts={"severities": SEVERITIES, "quality": {f"{one.plane}/{one.kind}": one.quality for one in found}},
        note=run.note,
        draw=lambda: _draw(found),
        caption="One frame of each plane with its Q, severity 0 to 1 from left to right. Right: median and quartiles "
        "of Q over frames, by severity.",
    )


@torch.inference_mode()
def score_changes(
    scorer: StriqScorer,
    records: Sequence[FrameRecord],
    images: Tensor,
    changes: Mapping[str, Change],
    *,
    quiet: bool = False,
) -> list[ChangedFrame]:
    """Return the scores of frames at every severity of each change, plane by plane.

    Args:
        scorer: Fitted scorer.
        records: Frames that it was not fitted on.
        images: The prepared frames, shape ``(N, 1, H, W)``.
        changes: Functions from a frame, a severity and a seed to the changed frame, by name.
        quiet: Do not show a progress bar.
    """
    shape = (len(changes), len(records), len(SEVERITIES))
    quality, pictures = np.zeros(shape), np.zeros((*shape, *images.shape[2:]), np.float32)
    for index in track(range(len(records)), description="Changing frames", quiet=quiet):
        for kind, change in enumerate(changes.values()):
            for step, severity in enumerate(SEVERITIES):
                changed = change(images[index], severity, frame_seed(records[index])) if severity else images[index]
                frame = FrameInputs.encode(scorer, changed[None], records[index].plane)
                quality[kind, index, step], pictures[kind, index, step] = frame.quality(), changed[0].numpy()
    found: list[ChangedFrame] = []
    for plane in dict.fromkeys(record.plane for record in records):
        rows = np.flatnonzero([record.plane == plane for record in records])
        best = int(rows[quality[0, rows, 0].argmax()])
        found += [
            ChangedFrame(plane, kind, quality[k][rows], pictures[k, best], int(np.flatnonzero(rows == best)[0]))
            for k, kind in enumerate(changes)
        ]
    return found


def _of_figure(records: Sequence[FrameRecord], *, cardiac: bool) -> list[FrameRecord]:
    """Return some frames of the planes that the paper's figure has, of all planes where none of those is there."""
    chosen = [record for record in records if (published_plane(record.plane) in CARDIAC) == cardiac]
    kept = chosen or list(records)
    return [kept[index] for index in evenly_spaced([record.plane for record in kept], FRAMES)]


def _draw(found: Sequence[ChangedFrame]) -> Figure:
    columns = len(SEVERITIES) + 1
    figure, panels = new_figure(
        PANEL_INCHES * columns + 1, (PANEL_INCHES + 0.15) * len(found) + 0.6, len(found), columns
    )
    for row, one in zip(panels, found, strict=True):
        for panel, picture, value in zip(row, one.pictures, one.quality[one.shown], strict=False):
            show(panel, picture, f"Q {number_text(float(value), digits=2)}")
        label(row[0], f"{one.plane}\n{one.kind}")
        _draw_curve(row[-1], one)
    return figure


def _draw_curve(panel: Axes, one: ChangedFrame) -> None:
    lower, median, upper = np.percentile(one.quality, (25, 50, 75), axis=0)
    panel.fill_between(SEVERITIES, lower, upper, color=MAIN_COLOR, alpha=0.2, linewidth=0)
    panel.plot(SEVERITIES, median, color=MAIN_COLOR, marker=".")
    panel.set_ylim(0, 1)
    panel.tick_params(axis="y", labelsize=7)
    tidy(panel)
