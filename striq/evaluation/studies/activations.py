"""How far the subspaces' activations tell planes apart: a t-SNE picture per rank, after the paper's figure 6."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from striq.atomic_files import replacing, write_json
from striq.errors import StriqError
from striq.model.network import NUM_STAGES, Pyramid
from striq.scoring.scorer import StriqScorer

PANEL_INCHES = 2.6
PERPLEXITY = 20.0


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
    """Return how strongly each frame excites each basis of the planes' experts, shape ``(N, P * R)``.

    Convention:
        - Features are centered on the mean over all planes' mean maps, so that nothing here knows a frame's plane.

    Args:
        scorer: Fitted scorer.
        features: Frozen features of N frames, in batches.
    """
    found = []
    mean_map = scorer.model.mean_map(NUM_STAGES - 1).mean(dim=0)
    for frozen in features:
        maps, mask = frozen.maps[-1], frozen.masks[-1]
        activation, _ = scorer.model.subspace.activations((maps - mean_map) * (mask > 0), mask)
        found.append(activation.flatten(1).cpu())
    return torch.cat(found).numpy()


def separation(activations: Activations) -> float:
    """Return the mean silhouette of the planes' activations, in [-1, 1].

    Raises:
        StriqError: If scikit-learn is missing.
    """
    _need_scikit_learn()
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(activations.values, list(activations.planes)))


def embed_activations(activations: Activations, *, seed: int = 0) -> NDArray[np.float32]:
    """Return the t-SNE of activations, shape ``(N, 2)``.

    Raises:
        StriqError: If scikit-learn is missing.
    """
    _need_scikit_learn()
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(activations.values) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(activations.values)


def write_activations(found: Sequence[Activations], output: Path, *, note: str = "") -> Path:
    """Write ``activations.png``, a panel per rank, and ``activations.json`` with how far planes are apart.

    Args:
        found: Activations of the same frames under subspaces of several ranks.
        output: Folder.
        note: A sentence printed beside every figure.

    Raises:
        StriqError: If scikit-learn is missing.
    """
    by_rank: Mapping[int, Activations] = {one.rank: one for one in found}
    ranks = sorted(by_rank)
    silhouettes = {rank: separation(by_rank[rank]) for rank in ranks}
    figure = Figure(figsize=(PANEL_INCHES * len(ranks), PANEL_INCHES + 0.6), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels: Sequence[Axes] = figure.subplots(1, len(ranks), squeeze=False)[0]
    for panel, rank in zip(panels, ranks, strict=True):
        _draw(panel, by_rank[rank])
        panel.set_title(f"R = {rank}, silhouette {silhouettes[rank]:.2f}", fontsize=8)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=7, markerscale=1.5)
    if note:
        figure.suptitle(note, fontsize=7)
    write_json(output / "activations.json", {"note": note, "silhouette": {str(r): silhouettes[r] for r in ranks}})
    with replacing(output / "activations.png") as stream:
        canvas.print_png(stream)
    return output / "activations.png"


def _draw(panel: Axes, activations: Activations) -> None:
    places = embed_activations(activations)
    planes = np.array(activations.planes)
    for plane in dict.fromkeys(activations.planes):
        panel.scatter(*places[planes == plane].T, s=6, label=plane)
    panel.set_xticks([])
    panel.set_yticks([])


def _need_scikit_learn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        msg = "The picture of activations needs scikit-learn. Install it: pip install 'striq[figures]'."
        raise StriqError(msg) from error
