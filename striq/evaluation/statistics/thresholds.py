"""Share of frames that a threshold accepts, and the choice of a threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striq.errors import StriqError

DECIMALS = range(2, 10)  # tried from the left: a threshold has as few decimals as tell two qualities apart


@dataclass(frozen=True)
class JudgedFrames:
    """Scores of frames, and ratings of some of them; each array has shape ``(N,)``.

    Convention:
        - A frame is accepted by the rule of ``striq.verdict``: its quality exceeds the threshold and it shows a plane.
        - A frame without a rating is neither good nor bad.

    Attributes:
        quality: Q of each frame.
        shows_plane: False for frames whose predicted plane is ``"none"``.
        good: Frames that ratings call good.
        bad: Frames that ratings call bad.
    """

    quality: NDArray[np.float64]
    shows_plane: NDArray[np.bool_]
    good: NDArray[np.bool_]
    bad: NDArray[np.bool_]

    def accepted(self, threshold: float) -> NDArray[np.bool_]:
        """Return which frames a threshold accepts, shape ``(N,)``."""
        return (self.quality > threshold) & self.shows_plane


@dataclass(frozen=True)
class Acceptance:
    """What one threshold accepts.

    Convention:
        - ``share`` is of all frames; frames that show no plane are never accepted but do count.
        - The other shares are of rated frames and NaN where undefined.

    Attributes:
        threshold: Quality that an accepted frame exceeds.
        num_accepted: Number of accepted frames.
        share: Accepted share of all frames.
        sensitivity: Accepted share of the good frames.
        specificity: Rejected share of the bad frames.
        precision: Share of good frames among the rated frames that are accepted.
    """

    threshold: float
    num_accepted: int
    share: float
    sensitivity: float
    specificity: float
    precision: float

    @property
    def balanced_accuracy(self) -> float:
        """Mean of sensitivity and specificity."""
        return (self.sensitivity + self.specificity) / 2


def acceptance_at(frames: JudgedFrames, threshold: float) -> Acceptance:
    """Return what a threshold accepts."""
    accepted = frames.accepted(threshold)
    good, bad = int((accepted & frames.good).sum()), int((accepted & frames.bad).sum())
    num_bad = int(frames.bad.sum())
    return Acceptance(
        threshold=threshold,
        num_accepted=int(accepted.sum()),
        share=_share(int(accepted.sum()), len(accepted)),
        sensitivity=_share(good, int(frames.good.sum())),
        specificity=_share(num_bad - bad, num_bad),
        precision=_share(good, good + bad),
    )


def threshold_for_rate(frames: JudgedFrames, rate: float) -> float:
    """Return a threshold that accepts a share of the frames: as many as needed, and no more than ties force.

    It lies between the quality of the last accepted frame and the next lower one.

    Args:
        frames: Scored frames.
        rate: Smallest share of the frames to accept, above 0 and at most 1.

    Raises:
        StriqError: If no threshold accepts that many.
    """
    acceptable = np.unique(frames.quality[frames.accepted(0.0)], return_counts=True)
    qualities, counts = acceptable[0][::-1], acceptable[1][::-1].cumsum()
    needed = math.ceil(rate * len(frames.quality) - 1e-9)  # 0.7 * 10 is 7.000000000000001
    if not len(counts) or counts[-1] < needed:
        most = _share(int(counts[-1]) if len(counts) else 0, len(frames.quality))
        msg = (
            f"No threshold accepts {100 * rate:g} % of {len(frames.quality)} frames: {100 * most:.3g} % at most show a "
            "known plane with a quality above 0. Ask for a lower --accept-rate."
        )
        raise StriqError(msg)
    last = int(np.searchsorted(counts, needed))
    lower = float(qualities[last + 1]) if last + 1 < len(qualities) else 0.0
    return _between(lower, float(qualities[last]))


def most_balanced_threshold(frames: JudgedFrames) -> float:
    """Return the threshold of the highest balanced accuracy; of equal ones the highest.

    It lies between two neighboring qualities.

    Raises:
        StriqError: If good or bad frames are missing, or no threshold is better than chance.
    """
    num_good, num_bad = int(frames.good.sum()), int(frames.bad.sum())
    if not num_good or not num_bad:
        msg = (
            f"A threshold from ratings needs good and bad frames, got {num_good} good and {num_bad} bad ones. "
            "Rate more frames, or name another --at-least."
        )
        raise StriqError(msg)
    rated = frames.shows_plane & (frames.good | frames.bad)
    bounds = np.unique(np.concatenate([[0.0], frames.quality[rated], [1.0]]))
    good, bad = (_above(frames.quality[rated & kind], bounds[:-1]) for kind in (frames.good, frames.bad))
    advantage = good * num_bad - bad * num_good  # sensitivity + specificity - 1, in whole numbers so that ties are ties
    best = len(advantage) - 1 - int(advantage[::-1].argmax())
    if advantage[best] <= 0:
        msg = (
            f"No threshold tells the {num_good} good from the {num_bad} bad frames better than chance. "
            "The score does not agree with these ratings: do not set a threshold by them."
        )
        raise StriqError(msg)
    return _between(float(bounds[best]), float(bounds[best + 1]))


def _above(values: NDArray[np.float64], bounds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many values lie above each bound."""
    return len(values) - np.searchsorted(np.sort(values), bounds, side="right")


def _between(low: float, high: float) -> float:
    """Return a number between two others, near the middle and with few decimals."""
    middle = (low + high) / 2
    rounded = (round(middle, decimals) for decimals in DECIMALS)
    return next((value for value in rounded if low < value < high), middle)


def _share(count: int, total: int) -> float:
    return count / total if total else math.nan
