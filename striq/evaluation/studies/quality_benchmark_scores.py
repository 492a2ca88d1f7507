"""Scores of the quality benchmark: what the model of one fold says of frames that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from striq.atomic_files import replacing
from striq.data.degradation import DEGRADATIONS
from striq.data.loading import iterate_images
from striq.evaluation.agreement.controls import Control
from striq.evaluation.agreement.frame_inputs import FrameInputs
from striq.evaluation.studies.robustness import (
    KINDS,
    STRUCTURE_FRAMES,
    UNCHANGED,
    ChangedScores,
    evenly_spaced,
    ratings_of,
    score_all_changed,
)
from striq.model.network import Pyramid
from striq.scoring.recognition import recognize
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord

FOREIGN_FRAMES = 60  # of each plane, over all folds: those that are also scored as every other plane
MADE_OF = "made_of"

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class UnseenFrames:
    """Frames that no fold is trained on, of known planes by other scanners or of anything else.

    Attributes:
        records: U frames; ``plane`` is what they show.
        images: The same frames, prepared, shape ``(U, 1, H, W)``.
    """

    records: Sequence[FrameRecord]
    images: Tensor


@dataclass(frozen=True)
class FoldScores:
    """Scores by the model of one fold: S scores, N held-out frames, U unseen frames, P planes.

    Attributes:
        names: Names of the scores, the quality score first.
        planes: Planes of the model.
        perturbed: Held-out frames under each of ``KINDS``, NaN for frames left out, shape ``(S, K, N)``.
        degraded: Held-out frames under each of ``DEGRADATIONS`` at each severity, NaN for frames left out, shape
            ``(S, L, N, V)``.
        as_planes: Held-out frames scored as each plane, NaN where they were not, shape ``(S, N, P)``.
        posteriors: Probability of each plane and of none for the held-out frames, shape ``(N, P + 1)``.
        unseen: Unseen frames scored as each plane, NaN where they were not, shape ``(S, U, P)``.
        unseen_posteriors: Probability of each plane and of none for the unseen frames, shape ``(U, P + 1)``.
    """

    names: tuple[str, ...]
    planes: tuple[str, ...]
    perturbed: FloatArray
    degraded: FloatArray
    as_planes: FloatArray
    posteriors: FloatArray
    unseen: FloatArray
    unseen_posteriors: FloatArray

    def changed(self, name: str, records: Sequence[FrameRecord]) -> ChangedScores:
        """Return one score of the held-out frames under every change.

        Args:
            name: Name of the score.
            records: The held-out frames.
        """
        row = self.names.index(name)
        return ChangedScores(
            tuple(record.plane for record in records),
            ratings_of(records),
            dict(zip(KINDS, self.perturbed[row], strict=True)),
            dict(zip(DEGRADATIONS, self.degraded[row], strict=True)),
        )

    def save(self, path: Path, made_of: str) -> Path:
        """Write the scores atomically and return the path.

        Args:
            path: File to write, ``.npz``.
            made_of: Digest of what they were made of.
        """
        arrays: dict[str, Any] = {**vars(self), MADE_OF: made_of}
        with replacing(path) as stream:
            np.savez_compressed(stream, **arrays)
        return path

    @classmethod
    def load(cls, path: Path, made_of: str) -> FoldScores | None:
        """Return the scores in a file, nothing if there is no such file or it was made of something else."""
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as stored:
            if str(stored[MADE_OF]) != made_of:
                return None
            arrays: dict[str, Any] = {name: stored[name] for name in stored.files if name != MADE_OF}
        names, planes = (tuple(arrays.pop(key).tolist()) for key in ("names", "planes"))
        return cls(names, planes, **arrays)


@torch.inference_mode()
def score_fold(
    scorer: StriqScorer,
    records: Sequence[FrameRecord],
    unseen: UnseenFrames,
    functions: Mapping[str, Control],
    *,
    num_folds: int = 1,
    nuisance_frames: int | None = None,
    quiet: bool = False,
) -> FoldScores:
    """Score frames that a scorer was not trained on: as they are, changed, as other planes, and unseen ones.

    Args:
        scorer: Fitted scorer of the fold.
        records: Held-out frames.
        unseen: Frames that no fold is trained on.
        functions: Functions from a frame to its score, by name.
        num_folds: Number of folds, over which the frames that take many scores are spread.
        nuisance_frames: Frames of each plane, over all folds, that are changed by nuisances; all by default.
        quiet: Do not show progress bars.

    Raises:
        ReadError: If a held-out file cannot be read.
    """

    def share(count: int) -> int:
        return max(1, count // num_folds)

    changed = score_all_changed(
        scorer,
        records,
        functions,
        structure_frames=share(STRUCTURE_FRAMES),
        nuisance_frames=None if nuisance_frames is None else share(nuisance_frames),
        quiet=quiet,
    ).values()
    perturbed = np.stack([np.stack(list(one.perturbed.values())) for one in changed])
    degraded = np.stack([np.stack(list(one.degraded.values())) for one in changed])
    foreign = set(evenly_spaced([record.plane for record in records], share(FOREIGN_FRAMES)))
    wanted = [set(scorer.planes) - {r.plane} if i in foreign else set[str]() for i, r in enumerate(records)]
    images = iterate_images(records, scorer.config.encoder.size, quiet=True)
    table = _FrameTable(scorer, functions, quiet=quiet)
    as_planes, posteriors = table.score(images, wanted, "Scoring as other planes")
    own = [scorer.plane_index(record.plane) for record in records]
    as_planes[:, np.arange(len(records)), own] = perturbed[:, KINDS.index(UNCHANGED)]
    recorded_elsewhere = {record.plane for record in unseen.records} & set(scorer.planes)
    unseen_scores, unseen_posteriors = table.score(
        unseen.images, [recorded_elsewhere] * len(unseen.records), "Scoring unseen frames"
    )
    return FoldScores(
        tuple(functions),
        tuple(scorer.planes),
        perturbed,
        degraded,
        as_planes,
        posteriors,
        unseen_scores,
        unseen_posteriors,
    )


@dataclass(frozen=True)
class _FrameTable:
    """Scores of frames as several planes, each frame encoded once."""

    scorer: StriqScorer
    functions: Mapping[str, Control]
    quiet: bool

    def score(self, images: Any, wanted: Sequence[set[str]], task: str) -> tuple[FloatArray, FloatArray]:
        """Return scores ``(S, N, P)``, NaN for planes not wanted, and posteriors ``(N, P + 1)``.

        Args:
            images: Prepared frames, each ``(1, H, W)``.
            wanted: Planes to score each frame as.
            task: Name of the progress bar.
        """
        planes = self.scorer.planes
        scores = np.full((len(self.functions), len(wanted), len(planes)), np.nan)
        posteriors = np.full((len(wanted), len(planes) + 1), np.nan)
        for index, image in enumerate(
            track(images, total=len(wanted), description=task, disable=self.quiet, transient=True)
        ):
            on_device = image[None].to(self.scorer.device)
            frozen = self.scorer.embed(on_device)
            named = recognize(self.scorer, on_device, frozen, self.scorer.frame_terms(on_device))
            posteriors[index] = named.posterior[0].double().cpu().numpy()
            for plane in wanted[index]:
                scores[:, index, planes.index(plane)] = self._as_plane(on_device, frozen, plane)
        return scores, posteriors

    def _as_plane(self, image: Tensor, frozen: Pyramid, plane: str) -> FloatArray:
        frame = FrameInputs.encode(self.scorer, image, plane, frozen)
        return np.array([float(function(frame)) for function in self.functions.values()])
