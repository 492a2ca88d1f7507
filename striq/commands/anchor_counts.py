"""What is said about numbers of anchors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from striq.commands.terminal import inform
from striq.types import FrameRecord

if TYPE_CHECKING:
    from striq.config import StriqConfig


def in_words(num_anchors: int, num_negatives: int) -> str:
    """Return numbers of anchors and negative anchors in words; the latter are left out if there are none."""
    return f"{num_anchors} anchors" + (f" and {num_negatives} negative anchors" if num_negatives else "")


def say_fewer_anchors(records: Sequence[FrameRecord], config: StriqConfig, asked: int | None) -> None:
    """Print a line for each plane that gets fewer anchors than the user has asked for.

    Args:
        records: Frames to train on.
        config: Settings of the scorer.
        asked: Number of anchors that the user has stated, if any.
    """
    if asked is None:
        return
    from striq.training.starting_values import FRAMES_PER_ANCHOR, number_of_anchors

    for plane, count in sorted(Counter(record.plane for record in records).items()):
        most = number_of_anchors(count, config.quality)
        if most < asked:
            inform(
                f"{plane}: {asked} anchors are asked for, but its {count} frames give {most} at most. Give "
                f"{FRAMES_PER_ANCHOR * asked} frames, or --num-anchors {most}."
            )
