"""How Q falls as structure is lost, measured on training frames while no anchor is of their group."""

from __future__ import annotations

import torch
from torch import Tensor

from striq.data.degradation import DEGRADATIONS, SEVERITIES, degrade
from striq.quality.normalization import normalize_terms, quality_score
from striq.training.plane_calibration import PlaneCalibration

FRAMES = 12  # of each plane: 16 changes of each take about half a second
SCORED_AT_ONCE = 4


class LostStructure:
    """Scores some frames of a plane with structure lost step by step, fold after fold.

    Args:
        calibration: The plane and its frames.
    """

    def __init__(self, calibration: PlaneCalibration) -> None:
        self.calibration = calibration
        count = len(calibration.frames)
        self._chosen = set(torch.linspace(0, count - 1, min(FRAMES, count)).long().tolist())
        self._terms: dict[int, Tensor] = {}

    def __call__(self, fold: Tensor) -> None:
        """Score the chosen frames of a fold against the anchors as they are.

        Args:
            fold: Places of frames among the plane's.
        """
        for row in fold.tolist():
            if row in self._chosen:
                self._terms[row] = self._terms_of(row)

    def quality(self, unchanged: Tensor) -> dict[str, Tensor]:
        """Return Q of each frame at every severity by kind of loss, each ``(N, S)``, by the scorer's present ranges.

        Args:
            unchanged: Raw terms of the plane's frames as they are, shape ``(N, T + F)``.
        """
        scorer, plane = self.calibration.scorer, self.calibration.plane

        def quality_of(terms: Tensor) -> Tensor:
            normalized = normalize_terms(terms, scorer.range(plane))
            return quality_score(normalized, scorer.term_weights[plane]).cpu()

        rows = sorted(self._terms)
        first = quality_of(unchanged[rows])[:, None]
        steps = len(SEVERITIES) - 1
        changed = quality_of(torch.cat([self._terms[row] for row in rows])).view(len(rows), len(DEGRADATIONS), steps)
        return {kind: torch.cat([first, changed[:, i]], dim=1) for i, kind in enumerate(DEGRADATIONS)}

    def _terms_of(self, row: int) -> Tensor:
        """Return the raw terms of every change of a frame, kind after kind, shape ``(kinds * (S - 1), T + F)``."""
        calibration = self.calibration
        image, scorer = calibration.images[int(calibration.frames[row])], calibration.scorer
        changed = torch.stack(
            [degrade(image, kind, severity, seed=row) for kind in DEGRADATIONS for severity in SEVERITIES[1:]]
        )
        terms = []
        for some in changed.to(scorer.device).split(SCORED_AT_ONCE):
            terms.append(scorer.score_as_plane(scorer.embed(some), scorer.frame_terms(some), calibration.plane).terms)
        return torch.cat(terms)
