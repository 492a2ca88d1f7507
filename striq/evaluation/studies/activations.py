"""Activations of the planes' subspaces: t-SNE picture and silhouette per rank, after figure 6 of the paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from striq.atomic_files import replacing
from striq.errors import StriqError
from striq.evaluation.reports.figures import new_figure
from striq.evaluation.reports.study_report import ReportTable, StudyReport
from striq.evaluation.reports.text import number_text
from striq.model.network import NUM_STAGES, Pyramid
from striq.scoring.scorer import StriqScorer

PANEL_INCHES = 2.6
PERPLEXITY = 20.0
FEWEST_FRAMES = 5  # from which neighbors can be told from others


@dataclass(frozen=True)
class Activations:
    """Activations of N frames, shape ``(N, P * R)``, the plane each shows, and the rank R of the experts."""

    values: NDArray[np.float32]
    planes: tuple[str, ...]
    rank: int

    def save(self, path: Path) -> None:
        """Write the activations as NumPy arrays."""
        with replacing(path) as stream:
            np.savez(stream, values=self.values, planes=np.array(self.planes), rank=self.rank)

    @classmethod
    def load(cls, path: Path) -> Activations:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["values"], tuple(stored["planes"].tolist()), int(stored["rank"]))


@torch.inference_mode()
def frame_activations(scorer: StriqScorer, features: Iterable[Pyramid]) -> NDArray[np.float32]:
    """Return how strongly each frame activates each basis of the planes' experts, shape ``(N, P * R)``.

    Convention:
        - Features are centered on the mean over all planes' mean maps, so that the result does not depend on the plane
          that a frame is said to show.

    Args:
        scorer: Fitted scorer.
        features: Frozen features of N frames, in batches.
    """
    found: list[torch.Tensor] = []
    mean_map = scorer.model.mean_map(NUM_STAGES - 1).mean(dim=0)
    for frozen in features:
        maps, mask = frozen.maps[-1], frozen.masks[-1]
        activation, _ = scorer.model.subspace.activations((maps - mean_map) * (mask > 0), mask)
        found.append(activation.flatten(1).cpu())
    return torch.cat(found).numpy()


def check_comparable(planes: Sequence[str]) -> None:
    """Check that activations can be compared.

    Args:
        planes: The plane that each frame shows.

    Raises:
        StriqError: If scikit-learn is not installed, or there are too few planes or frames.
    """
    _check_scikit_learn()
    names, count = sorted(set(planes)), len(planes)
    if len(names) < 2 or count < FEWEST_FRAMES or count == len(names):
        msg = (
            "There is no picture of activations, which compares planes. Expected frames of two planes or more, "
            f"{FEWEST_FRAMES} frames at least, got {count} of {', '.join(names) or 'no plane'}."
        )
        raise StriqError(msg)


def separation(activations: Activations) -> float:
    """Return the mean silhouette of the planes' activations, in [-1, 1].

    Raises:
        StriqError: If scikit-learn is not installed, or there are too few planes or frames to compare.
    """
    check_comparable(activations.planes)
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(activations.values, list(activations.planes)))


def embed_activations(activations: Activations, *, seed: int = 0) -> NDArray[np.float32]:
    """Return the t-SNE of activations, shape ``(N, 2)``.

    Raises:
        StriqError: If scikit-learn is not installed.
    """
    _check_scikit_learn()
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(activations.values) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(activations.values)


def activations_report(found: Sequence[Activations], *, note: str = "") -> StudyReport:
    """Return the report on activations: a panel and the mean silhouette of the planes for each rank.

    Args:
        found: Activations of the same frames with subspaces of several ranks.
        note: A sentence printed with every table and picture.

    Raises:
        StriqError: If scikit-learn is not installed, or there are too few planes or frames to compare.
    """
    by_rank = {one.rank: one for one in sorted(found, key=lambda one: one.rank)}
    silhouettes = {rank: separation(one) for rank, one in by_rank.items()}
    rows = [[str(rank), number_text(silhouette)] for rank, silhouette in silhouettes.items()]
    return StudyReport(
        name="activations",
        title="Activations of the subspaces",
        tables=[ReportTable(["Rank", "Mean silhouette of the planes"], rows)],
        facts={"silhouette": silhouettes},
        note=note,
        draw=lambda: _draw(list(by_rank.values()), silhouettes),
        caption="t-SNE of each frame's activations.",
    )


def _draw(found: Sequence[Activations], silhouettes: dict[int, float]) -> Figure:
    figure, panels = new_figure(PANEL_INCHES * len(found), PANEL_INCHES + 0.9, columns=len(found))
    for panel, one in zip(panels[0], found, strict=True):
        _draw_rank(panel, one)
        panel.set_title(f"R = {one.rank}, silhouette {silhouettes[one.rank]:.2f}", fontsize=8)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=7, markerscale=1.5)
    return figure


def _draw_rank(panel: Axes, activations: Activations) -> None:
    places = embed_activations(activations)
    planes = np.array(activations.planes)
    for plane in dict.fromkeys(activations.planes):
        panel.scatter(*places[planes == plane].T, s=6, label=plane)
    panel.set_xticks([])
    panel.set_yticks([])


def _check_scikit_learn() -> None:
    try:
        import_module("sklearn")
    except ImportError as error:
        msg = "The picture of activations needs scikit-learn. Install it: pip install 'striq[figures]'."
        raise StriqError(msg) from error
