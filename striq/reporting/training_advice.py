"""What to do after a training, from what was measured."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from striq.training.curves import VALIDATION
from striq.training.outcome import PlaneOutcome, TrainingOutcome
from striq.training.plane_support import ENOUGH_FRAMES, ENOUGH_GROUPS, STABLE

MUCH_SATURATED = 0.1  # share of frames
SMALL_FALL = 0.05  # of the median of Q; the uncertainty of Q is about as large
ROUGH_PX = (
    12.0  # held-out endpoint error, pixels of 256: trainings that worked ended at 9 or less, one that failed at 13.6
)


def next_steps(outcome: TrainingOutcome) -> list[str]:
    """Return what to do next, the most urgent first, in plain sentences.

    Args:
        outcome: Finished training.
    """
    steps = [step for plane in outcome.planes for step in _of_plane(plane)]
    error = held_out_error(outcome)
    if error is not None and error > ROUGH_PX:
        steps.append(
            f"Train longer, for example with twice as many epochs (--epochs {2 * outcome.epochs}): on held-out groups, "
            f"known movements are only found to within {error:.1f} of 256 pixels."
        )
    if outcome.left_out:
        steps.append(f"Repair or remove what could not be read: {counted(len(outcome.left_out), 'frame')}.")
    steps += [
        "Look at the anchors below. Leave out those that show the plane badly: striq anchors MODEL --exclude LIST.csv "
        "--out NEW.",
        "Choose a threshold that fits your use: striq threshold.",
        "If some frames are rated, compare the score with the ratings: striq evaluate. Without that, it is not known "
        "whether Q agrees with human judgment.",
    ]
    return steps


def held_out_error(outcome: TrainingOutcome) -> float | None:
    """Return the last endpoint error on held-out groups, pixels of 256; ``None`` if it is not known."""
    errors = outcome.curves.get(VALIDATION, {}).get("endpoint_error_px", [])
    return errors[-1][1] if errors else None


def losses_not_noticed(plane: PlaneOutcome) -> Sequence[str]:
    """Return the losses of structure that lower the median of Q by less than 0.05 from none to all of it."""
    medians = {kind: quality.median(dim=0).values for kind, quality in plane.lost_structure.items()}
    return [kind for kind, median in medians.items() if bool(median[-1] > median[0] - SMALL_FALL)]


def _of_plane(plane: PlaneOutcome) -> list[str]:
    check, steps = plane.check, list[str]()
    if check.look_alikes:
        steps.append(
            f"{check.plane}: give frames that look the same one group, or keep one of them "
            f"({counted(len(check.look_alikes), 'pair')}, see below), and train again."
        )
    if check.ungrouped:
        steps.append(
            f"{check.plane}: say which frames belong together (folders, --group-pattern, or the column 'group'). Now "
            "every frame is its own group. If some are of one patient, all figures here are too good."
        )
    if check.frames < ENOUGH_FRAMES or check.groups < ENOUGH_GROUPS:
        steps.append(
            f"{check.plane}: add frames. There are {check.frames} of {check.groups} groups; {ENOUGH_FRAMES} of "
            f"{ENOUGH_GROUPS} are enough for all anchors."
        )
    stability = plane.support["ranking_stability"]
    if stability is not None and stability < STABLE:
        steps.append(
            f"{check.plane}: do not compare single frames closely. Two halves of the anchors rank frames differently "
            f"(rank correlation {stability:.2f}). More frames of more groups help."
        )
    if plane.saturated > MUCH_SATURATED:
        steps.append(
            f"{check.plane}: {plane.saturated:.0%} of the frames have a Q next to 0 or 1, where Q can hardly tell them "
            "apart. Add frames between the best and the worst, and take out those that do not show the plane."
        )
    steps += [
        f"{check.plane}: do not rely on Q where {kind} is the fault; it hardly lowers Q here."
        for kind in losses_not_noticed(plane)
    ]
    return steps


def quartiles(quality: torch.Tensor) -> list[list[float]]:
    """Return the lower quartile, median and upper quartile of each column of Q, shape ``(3, S)``."""
    return quality.double().quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64), dim=0).tolist()


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
