"""Fit baselines on the frames that a scorer was trained on, and score other frames."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import striq.baselines
from striq.anchors.selection import select_anchors
from striq.baselines.extras import REMEDIES, BaselineExtras
from striq.baselines.neighbors import pooled_features
from striq.baselines.protocol import BASELINES, Baseline, PlaneFrames
from striq.data.preprocessing import structure_richness
from striq.errors import StriqError
from striq.model.network import Pyramid, concatenate
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord

ALL = "all"
BATCH_SIZE = 16

for _module in iter_modules(striq.baselines.__path__):  # each registers its baselines when it is imported
    import_module(f"{striq.baselines.__name__}.{_module.name}")


def find_baselines(names: Sequence[str], extras: BaselineExtras | None = None) -> list[Baseline]:
    """Return new baselines of the given names; ``"all"`` stands for every one that has what it needs.

    Args:
        names: Names of baselines.
        extras: What the user has given beside frames.

    Raises:
        StriqError: If a name is not known, or what the baseline needs is not given.
    """
    given = extras or BaselineExtras()
    unknown = [name for name in names if name != ALL and name not in BASELINES]
    if unknown:
        msg = f"No baseline {unknown[0]!r}; choose among: {ALL}, {', '.join(sorted(BASELINES))}."
        raise StriqError(msg)
    lacking = [name for name in names if name != ALL and not given.has(BASELINES[name].needs)]
    if lacking:
        msg = f"The baseline {lacking[0]!r} needs {REMEDIES[BASELINES[lacking[0]].needs]}."
        raise StriqError(msg)
    usable = {name: cls for name, cls in sorted(BASELINES.items()) if given.has(cls.needs)}
    return [cls() for name, cls in usable.items() if ALL in names or name in names]


def score_by_baselines(
    scorer: StriqScorer,
    names: Sequence[str],
    training: tuple[Tensor, Sequence[FrameRecord]],
    held_out: tuple[Tensor, Sequence[FrameRecord]],
    extras: BaselineExtras | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Fit baselines for every plane on training frames, and score held-out frames, each as its plane.

    Args:
        scorer: Scorer of the fold: its frozen encoder gives the features, its settings the number of anchors.
        names: Names of the baselines.
        training: Prepared frames, shape ``(N, 1, H, W)``, and what they are. Ratings are not looked at.
        held_out: M frames of groups that are not among the training frames.
        extras: What some baselines need beside frames.

    Returns:
        Scores of the held-out frames by name, each ``(M,)``.
    """
    given = extras or BaselineExtras()
    baselines = find_baselines(names, given)
    scores = {one.name: np.full(len(held_out[1]), np.nan) for one in baselines}
    for plane in sorted({record.plane for record in held_out[1]}):
        (known, _), (unseen, rows) = (_of_plane(scorer, *part, plane, given) for part in (training, held_out))
        anchors = known[_anchors(scorer, known)]
        for one in baselines:
            one.fit(known, anchors)
            scores[one.name][rows.numpy()] = one.score(unseen)
    return scores


def _of_plane(
    scorer: StriqScorer, images: Tensor, records: Sequence[FrameRecord], plane: str, extras: BaselineExtras
) -> tuple[PlaneFrames, Tensor]:
    rows = torch.tensor([i for i, record in enumerate(records) if record.plane == plane])

    def embed(pictures: Tensor) -> Pyramid:
        with torch.no_grad():
            return concatenate([scorer.embed(part.to(scorer.device)) for part in pictures.split(BATCH_SIZE)])

    chosen, size = [records[row] for row in rows.tolist()], (images.shape[2], images.shape[3])
    boxes = None if extras.boxes is None else extras.boxes.of_frames(chosen, size)
    return PlaneFrames(images[rows], embed(images[rows]), embed, boxes, extras.clip), rows


def _anchors(scorer: StriqScorer, frames: PlaneFrames) -> Tensor:
    """Return the rows of the frames that serve as anchors: the most typical of those with the most structure."""
    quality = scorer.config.quality
    richness = torch.cat([structure_richness(part) for part in frames.images.split(BATCH_SIZE)])
    generator = torch.Generator().manual_seed(0)
    chosen = (pooled_features(frames), richness, quality.num_anchors)
    return select_anchors(*chosen, strategy=quality.anchor_strategy, generator=generator)
