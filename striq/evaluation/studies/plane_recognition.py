"""Does the model tell planes apart, and does it say so when a frame shows none of them?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from striq.atomic_files import replacing, write_json, write_text
from striq.evaluation.agreement.tables import figure_text, markdown_table
from striq.evaluation.statistics.metrics import auc_best_against_worst
from striq.scoring.scorer import StriqScorer
from striq.verdict import NO_PLANE

BATCH_SIZE = 16
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class LeftOut:
    """A plane that was not fitted, as the others see it.

    Attributes:
        plane: Its name.
        auroc: How well 1 - p(none) tells frames of the others from its frames.
        rejected: Share of its frames that got the answer "none".
        accuracy: Share of the others' frames given their plane.
        answers: How often each of the others, or ``"none"``, was the answer to its frames.
    """

    plane: str
    auroc: float
    rejected: float
    accuracy: float
    answers: dict[str, int]


@dataclass(frozen=True)
class RoutingReport:
    """Planes told apart, and unknown frames told from known ones; undefined figures are NaN.

    Attributes:
        planes: Planes the model knows.
        confusion: Frames of each plane (row) given each answer, ``"none"`` last, shape ``(P, P + 1)``.
        accuracy: Share of known frames given their plane.
        accuracy_among_planes: The same with ``"none"`` not allowed.
        auroc: How well 1 - p(none) tells known frames from unknown ones.
        unknown: Of each source of unknown frames, how often each answer was given, shape ``(P + 1,)``.
        left_out: Each plane as the others see it, where that was tested.
    """

    planes: tuple[str, ...]
    confusion: NDArray[np.int64]
    accuracy: float
    accuracy_among_planes: float
    auroc: float
    unknown: dict[str, NDArray[np.int64]]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def rejected(self) -> float:
        """Share of unknown frames that got the answer "none"."""
        counts = sum(self.unknown.values(), np.zeros(len(self.planes) + 1, dtype=np.int64))
        return float(counts[-1] / counts.sum()) if counts.sum() else float("nan")


@torch.inference_mode()
def posteriors(scorer: StriqScorer, images: Iterable[Tensor]) -> FloatArray:
    """Return the posterior of each prepared frame, "none" last, shape ``(N, P + 1)``.

    Args:
        scorer: Fitted scorer.
        images: Prepared frames, each ``(1, H, W)``.
    """
    found = [scorer.plane_posterior(scorer.embed(batch.to(scorer.device))) for batch in in_batches(images)]
    return torch.cat(found).double().cpu().numpy() if found else np.zeros((0, len(scorer.planes) + 1))


def in_batches(images: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield a few frames at a time, each ``(B, 1, H, W)``."""
    remaining = iter(images)
    while some := list(islice(remaining, BATCH_SIZE)):
        yield torch.stack(some)


def summarize(
    planes: Sequence[str], known: FloatArray, truth: Sequence[str], unknown: Mapping[str, FloatArray]
) -> RoutingReport:
    """Return how well planes are told apart.

    Args:
        planes: Planes the model knows.
        known: Posteriors of frames of these planes, shape ``(N, P + 1)``.
        truth: The plane of each.
        unknown: By source, posteriors of frames that show none of the planes, each ``(M, P + 1)``.
    """
    rows = np.array([list(planes).index(plane) for plane in truth], dtype=int)
    confusion = np.zeros((len(planes), len(planes) + 1), dtype=np.int64)
    np.add.at(confusion, (rows, known.argmax(axis=1)), 1)
    among = (known[:, :-1].argmax(axis=1) == rows).mean() if len(rows) else np.nan
    others = np.concatenate([*unknown.values(), np.zeros((0, len(planes) + 1))])
    looks_known = 1 - np.concatenate([known[:, -1], others[:, -1]])
    is_known = np.concatenate([np.ones(len(known)), np.zeros(len(others))])
    return RoutingReport(
        tuple(planes),
        confusion,
        float(confusion[:, :-1].trace() / len(rows)) if len(rows) else float("nan"),
        float(among),
        auc_best_against_worst(looks_known, is_known) if len(others) and len(known) else float("nan"),
        {name: np.bincount(p.argmax(axis=1), minlength=len(planes) + 1) for name, p in unknown.items()},
    )


def write_recognition(report: RoutingReport, output: Path, *, note: str = "") -> str:
    """Write ``routing.json``, ``routing.md`` and ``routing.png``, and return the Markdown.

    Args:
        report: What to write.
        output: Folder.
        note: A sentence printed beside every figure.
    """
    write_json(
        output / "routing.json",
        {
            "planes": list(report.planes),
            "confusion": report.confusion.tolist(),
            "accuracy": report.accuracy,
            "accuracy_among_planes": report.accuracy_among_planes,
            "auroc_known_against_unknown": None if np.isnan(report.auroc) else report.auroc,
            "unknown": {name: counts.tolist() for name, counts in report.unknown.items()},
            "left_out": [asdict(one) for one in report.left_out],
            "note": note,
        },
    )
    text = routing_markdown(report, note=note)
    write_text(output / "routing.md", text)
    _draw(report, output / "routing.png", note)
    return text


def routing_markdown(report: RoutingReport, *, note: str = "") -> str:
    """Return the report as Markdown."""
    answers = [*report.planes, NO_PLANE]
    counts = [*zip(report.planes, report.confusion.tolist(), strict=True)]
    counts += [(f"unknown: {name}", found.tolist()) for name, found in report.unknown.items()]
    lines = markdown_table(["Frames of", *answers], [[name, *map(str, row)] for name, row in counts])
    figures = [
        ["accuracy", figure_text(report.accuracy)],
        ['accuracy with "none" not allowed', figure_text(report.accuracy_among_planes)],
        ["AUROC, known against unknown", figure_text(report.auroc)],
        ["unknown frames rejected", figure_text(report.rejected)],
    ]
    lines += ["", *markdown_table(["", "Figure"], figures)]
    if report.left_out:
        titles = ["Plane left out of the fit", "AUROC against the others", "rejected", "accuracy of the others", "told"]
        cells = [
            [
                one.plane,
                *map(figure_text, (one.auroc, one.rejected, one.accuracy)),
                ", ".join(f"{name} {count}" for name, count in one.answers.items() if count),
            ]
            for one in report.left_out
        ]
        lines += ["", *markdown_table(titles, cells)]
    return "\n".join([*lines, *(["", f"**Note:** {note}"] if note else []), ""])


def _draw(report: RoutingReport, path: Path, note: str) -> None:
    names = [*report.planes, *(f"unknown: {name}" for name in report.unknown)]
    counts = np.concatenate([report.confusion, *(row[None] for row in report.unknown.values())])
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(2.5 + 0.8 * share.shape[1], 1.6 + 0.4 * len(names)), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panel: Axes = figure.subplots()
    panel.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if share[row, column] > 0.5 else "black"
        panel.text(column, row, str(count), ha="center", va="center", fontsize=7, color=color)
    panel.set_xticks(range(share.shape[1]), [*report.planes, NO_PLANE], rotation=40, ha="right", fontsize=7)
    panel.set_yticks(range(len(names)), names, fontsize=7)
    panel.set_xlabel("answer", fontsize=8)
    if note:
        figure.supxlabel(note, fontsize=7)
    with replacing(path) as stream:
        canvas.print_png(stream)
