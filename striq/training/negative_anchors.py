"""Negative anchors for a plane of a trained scorer; nothing is trained, and no range is measured again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from striq.anchors.provenance import anchor_source, new_salt, show_both_sides
from striq.data.loading import load_images
from striq.errors import DatasetError
from striq.model.network import concatenate
from striq.quality.plane_evidence import structure_map
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord


@torch.no_grad()
def set_negatives(scorer: StriqScorer, plane: str, frames: Sequence[FrameRecord], *, quiet: bool = False) -> None:
    """Make frames of other planes the negative anchors of a plane, in place of those it has.

    Convention:
        - A plane whose anchors show both sides gets the mirror images of the frames, too.

    Args:
        scorer: Trained scorer.
        plane: Name of the plane that the frames are easily taken for.
        frames: The frames.
        quiet: Hide progress bars.

    Raises:
        DatasetError: If there are none or too many.
        StriqError: If the model does not know the plane.
    """
    index = scorer.plane_index(plane)
    both_sides = show_both_sides(scorer.bank.sources[index])
    most = scorer.negatives.num_anchors // (2 if both_sides else 1)
    if not 0 < len(frames) <= most:
        msg = f"Plane {plane!r} would have {len(frames)} negative anchors; it can have 1 to {most}. Change the list."
        raise DatasetError(msg)
    images, salt = load_images(frames, scorer.config.encoder.size, quiet=quiet), new_salt()
    sources = [anchor_source(frame, salt) for frame in frames]
    if both_sides:
        images = torch.cat([images, images.flip(-1)])
        sources += [replace(source, mirrored=True) for source in sources]
    features = concatenate([scorer.embed(image[None].to(scorer.device)) for image in images])
    scorer.negatives.fill(index, features, sources)
    scorer.negatives.set_structure(index, structure_map(images).to(scorer.device))
