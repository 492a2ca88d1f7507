"""Negative anchors of a plane: their list, its checks, and how a scorer gets or loses them. Nothing is trained."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from striq.anchors.provenance import anchor_source, new_salt, show_both_sides
from striq.config import StriqConfig
from striq.data.datasets.generic import load_list
from striq.data.loading import load_images
from striq.errors import DatasetError
from striq.model.network import concatenate
from striq.plane_names import did_you_mean
from striq.quality.plane_evidence import structure_map
from striq.scoring.scorer import StriqScorer
from striq.types import AnchorSource, FrameRecord

UNLISTED = "Negative anchors"  # stands in messages for the list of frames that come from none


@dataclass(frozen=True)
class NegativeFrames:
    """Frames of other planes that are easily taken for planes of a model.

    Attributes:
        records: The frames; each names the plane that it is taken for.
        where: The list they come from, for messages.
    """

    records: Sequence[FrameRecord] = ()
    where: str = UNLISTED

    @property
    def planes(self) -> list[str]:
        """Planes that frames are taken for."""
        return sorted({record.plane for record in self.records})

    def of(self, plane: str) -> NegativeFrames:
        """Return the frames that are taken for one plane."""
        return replace(self, records=[record for record in self.records if record.plane == plane])

    def check_planes(self, planes: Sequence[str]) -> None:
        """Check that the frames are taken for planes of a model.

        Raises:
            DatasetError: If one is not.
        """
        unknown = next((record for record in self.records if record.plane not in planes), None)
        if unknown is not None:
            msg = (
                f"{self.where}: the model does not know the plane {unknown.plane!r}, which {unknown.path.name} is "
                f"listed for. Expected a plane that the frame is taken for: {', '.join(planes)}."
            )
            raise DatasetError(msg + (did_you_mean(unknown.plane, planes) or " Correct the column 'plane'."))

    def check(self, trained_on: Sequence[FrameRecord], config: StriqConfig) -> None:
        """Check before a training that the frames can become negative anchors of its planes.

        Args:
            trained_on: Training frames.
            config: Settings of the scorer.

        Raises:
            DatasetError: If a frame is taken for a plane that is not trained, its file is trained on as that plane, or
                there are too many.
            ReadError: If a frame cannot be read.
        """
        self.check_planes(sorted({record.plane for record in trained_on}))
        files = {(record.path.resolve(), record.plane) for record in trained_on} if self.records else set()
        for record in self.records:
            if (record.path.resolve(), record.plane) in files:
                msg = (
                    f"{self.where}: {record.path.name} is listed for {record.plane!r}, and the training frames of this "
                    "plane contain it. Expected frames of other planes. Remove it from one of the two lists."
                )
                raise DatasetError(msg)
        for plane in self.planes:
            self.check_count(plane, config.quality.num_anchors, both_sides=False)
        if self.records:
            load_images(self.records, config.encoder.size, quiet=True)

    def check_count(self, plane: str, num_anchors: int, *, both_sides: bool) -> None:
        """Check that a plane does not get too many negative anchors.

        Args:
            plane: Name of the plane.
            num_anchors: Most negative anchors of a plane, mirror images included.
            both_sides: Whether each frame makes two: itself and its mirror image.

        Raises:
            DatasetError: If it does.
        """
        count, most = len(self.of(plane).records), num_anchors // (2 if both_sides else 1)
        if count > most:
            why = ", because each makes two: itself and its mirror image" if both_sides else ""
            msg = (
                f"{self.where}: plane {plane!r} would have {count} negative anchors. Expected {most} frames at "
                f"most{why}. Leave some out."
            )
            raise DatasetError(msg)


def read_negatives(table: str | Path | None) -> NegativeFrames:
    """Return the frames of a CSV list ``path,plane,group[,frame]`` whose column ``plane`` says what they are taken for.

    Args:
        table: The list; ``None`` for no frames.

    Raises:
        DatasetError: If the list cannot be used.
    """
    return NegativeFrames() if table is None else NegativeFrames(load_list(Path(table)), str(table))


@torch.no_grad()
def set_negatives(
    scorer: StriqScorer, plane: str, frames: NegativeFrames, *, sources: Sequence[AnchorSource] | None = None
) -> Tensor:
    """Make frames of other planes the negative anchors of a plane, in place of those it has.

    Ranges, weights and evidence stay as they are.

    Convention:
        - A plane whose anchors show both sides gets the mirror images of the frames, too.

    Args:
        scorer: Trained scorer.
        plane: Name of the plane.
        frames: Frames, of which those are used that are taken for the plane.
        sources: Provenance of each of these; hashes that are made here by default.

    Returns:
        Prepared frames of the negative anchors, in the order of the bank, shape ``(R, 1, H, W)``.

    Raises:
        DatasetError: If there are none or too many, or the model does not know the plane.
        ReadError: If a frame cannot be read.
    """
    frames = frames.of(plane)
    frames.check_planes(scorer.planes)
    index = scorer.plane_index(plane)
    both_sides = show_both_sides(scorer.bank.sources[index])
    frames.check_count(plane, scorer.negatives.num_anchors, both_sides=both_sides)
    if not frames.records:
        msg = f"{frames.where}: no frame is listed for plane {plane!r}. Expected at least one. Add frames."
        raise DatasetError(msg)
    images, salt = load_images(frames.records, scorer.config.encoder.size, quiet=True), new_salt()
    sources = [anchor_source(record, salt) for record in frames.records] if sources is None else list(sources)
    if both_sides:
        images = torch.cat([images, images.flip(-1)])
        sources = [*sources, *(replace(source, mirrored=True) for source in sources)]
    features = concatenate([scorer.embed(image[None].to(scorer.device)) for image in images])
    scorer.negatives.fill(index, features, sources)
    scorer.negatives.set_structure(index, structure_map(images).to(scorer.device))
    return images


def leave_out_negatives(scorer: StriqScorer, plane: str, numbers: Collection[int]) -> None:
    """Remove some or all negative anchors of a plane; the others stay, bit for bit.

    Args:
        scorer: Trained scorer.
        plane: Name of the plane.
        numbers: Negative anchors to remove.
    """
    index = scorer.plane_index(plane)
    kept = [number for number in range(len(scorer.negatives.sources[index])) if number not in numbers]
    if kept:
        scorer.negatives.keep(index, kept)
    else:
        scorer.negatives.empty(index)
