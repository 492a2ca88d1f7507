"""Anchors of one plane, chosen among any part of its frames, and the terms of frames scored against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field, replace

import torch
from torch import Tensor

from striq.anchors.orientation import Orientation, find_orientation, layout
from striq.data.preprocessing import structure_richness
from striq.model.network import Pyramid, concatenate
from striq.quality.plane_evidence import structure_map
from striq.quality.plane_scores import PlaneScores
from striq.scoring.recognition import plane_evidence
from striq.scoring.scorer import StriqScorer
from striq.scoring.stability import set_stability
from striq.training.cache import BATCH_SIZE, FeatureCache
from striq.training.starting_values import choose_anchors, number_of_anchors, set_mean_maps
from striq.types import AnchorSource


@dataclass
class PlaneCalibration:
    """One plane of a scorer with its training frames.

    Attributes:
        scorer: Scorer whose mean maps and anchors of the plane are set.
        plane: Index of the plane.
        images: All prepared frames, shape ``(N, 1, H, W)``.
        cache: Their frozen features.
        frames: Indices of the plane's training frames.
        groups: Group of each of these frames.
        sources: Provenance of each of these frames.
        seed: Of the choice of anchors.
        like: The plane in an earlier calibration of the same frames with the same encoder and seed, whose orientations
            are copied; by default they are found here.
        orientation: Which of the frames are mirror images of the others.
        chosen: Places, among the plane's frames, of those that are the anchors now.
    """

    scorer: StriqScorer
    plane: int
    images: Tensor
    cache: FeatureCache
    frames: Tensor
    groups: Sequence[str]
    sources: Sequence[AnchorSource]
    seed: int = 0
    like: InitVar[PlaneCalibration | None] = None
    orientation: Orientation = field(init=False)
    chosen: Tensor = field(init=False)

    def __post_init__(self, like: PlaneCalibration | None) -> None:
        self.chosen = torch.empty(0, dtype=torch.long)
        if like is None:
            self._find_orientation()
        else:
            self.richness, self.orientation = like.richness, like.orientation
            self._mirror_images = like._mirror_images

    def _find_orientation(self) -> None:
        parts = self.frames.split(BATCH_SIZE)
        self.richness = torch.cat([structure_richness(self.images[part]) for part in parts])
        self._mirror_images = [self._embed_mirrored(part) for part in parts]
        generator = torch.Generator().manual_seed(self.seed)
        self.orientation = find_orientation(*self._layouts(parts, self._mirror_images), generator)
        if not self.orientation.both_sides:
            self._mirror_images = []

    @property
    def both_sides(self) -> bool:
        """Whether the plane is recorded from both sides, so that it gets anchors in mirrored pairs."""
        return self.orientation.both_sides and self.scorer.config.quality.num_anchors > 1

    def mirrored_among(self, frames: Tensor) -> Tensor:
        """Return which of other frames of a plane of both sides are mirror images, shape ``(M,)``.

        Args:
            frames: Indices of M frames.
        """
        parts = frames.split(BATCH_SIZE)
        return self.orientation.mirrored_among(*self._layouts(parts, [self._embed_mirrored(part) for part in parts]))

    def set_mean_maps(self, rows: Tensor) -> None:
        """Set the mean maps to those of some of the frames, and of their mirror images for a plane of both sides.

        Args:
            rows: Places of the frames among the plane's.
        """
        parts = rows.split(BATCH_SIZE)
        batches = [self.cache.features(self.frames[part]) for part in parts]
        if self.both_sides:
            batches += [self.mirror_images(part) for part in parts]
        set_mean_maps(self.scorer.model, self.plane, batches)

    def choose(self, rows: Tensor) -> Tensor:
        """Return the rows, among some, whose frames become anchors, each once.

        Args:
            rows: Places of the frames among the plane's.
        """
        model, quality = self.scorer.model, self.scorer.config.quality
        matching = torch.cat(
            [model.matching_features(self.oriented(part), self.plane)[-1] for part in rows.split(BATCH_SIZE)]
        )
        count = number_of_anchors(len(rows), quality)
        if self.both_sides:  # pairs of anchors; an odd number is rounded up if the bank has room
            count = min((count + 1) // 2, quality.num_anchors // 2)
        generator = torch.Generator().manual_seed(self.seed)
        return rows[choose_anchors(matching, self.richness[rows], count, quality.anchor_strategy, generator)]

    def install(self, chosen: Tensor) -> None:
        """Make frames the anchors of the plane, with their mirror images for a plane of both sides.

        Args:
            chosen: Places of the frames among the plane's.
        """
        features, sources = self.oriented(chosen), [self.sources[row] for row in chosen.tolist()]
        side = torch.zeros(len(chosen), dtype=torch.bool)
        if self.both_sides:
            mirrored = self.orientation.mirrored[chosen]
            features = concatenate([features, self.oriented(chosen, opposite=True)])
            flags = [*mirrored.tolist(), *(~mirrored).tolist()]
            sources = [replace(s, mirrored=flag) for s, flag in zip([*sources, *sources], flags, strict=True)]
            side = torch.cat([side, ~side])
        self.chosen = chosen
        self.scorer.bank.fill(self.plane, features, sources)
        set_stability(self.scorer, self.plane, side)
        self.scorer.bank.set_structure(self.plane, structure_map(self.anchor_images()))

    def anchor_images(self) -> Tensor:
        """Return the prepared frames of the anchors in the order of the bank, shape ``(K, 1, H, W)``."""
        images = self.images[self.frames[self.chosen]]
        if not self.both_sides:
            return images
        flipped = self.orientation.mirrored[self.chosen][:, None, None, None]
        mirror_images = images.flip(-1)
        return torch.cat([torch.where(flipped, mirror_images, images), torch.where(flipped, images, mirror_images)])

    def score(self, rows: Tensor) -> list[PlaneScores]:
        """Return the scores of some of the frames against the anchors as they are."""
        scores = []
        for frame in self.frames[rows].tolist():
            frame_terms = self.scorer.frame_terms(self.images[frame : frame + 1].to(self.scorer.device))
            scores.append(self.scorer.score_as_plane(self.cache.features([frame]), frame_terms, self.plane))
        return scores

    def evidence(self, scores: Sequence[PlaneScores], rows: Tensor) -> Tensor:
        """Return the evidence that some of the frames show the plane, shape ``(N,)``.

        Args:
            scores: Of the frames, from :meth:`score`.
            rows: Places of the frames among the plane's.
        """
        images = self.images[self.frames[rows]].to(self.scorer.device)
        found = [
            plane_evidence(self.scorer, images[i : i + 1], score.transforms, self.plane)
            for i, score in enumerate(scores)
        ]
        return torch.cat(found)

    def oriented(self, rows: Tensor, *, opposite: bool = False) -> Pyramid:
        """Return the features of frames or of their mirror images, whichever face the common way.

        Args:
            rows: Places of the frames among the plane's.
            opposite: Return those that face the other way.
        """
        features = self.cache.features(self.frames[rows])
        if not self.both_sides:
            return features
        flipped = (self.orientation.mirrored[rows] != opposite).to(features.maps[0].device)[:, None, None, None]
        images = self.mirror_images(rows)

        def choose(frames: Sequence[Tensor], others: Sequence[Tensor]) -> tuple[Tensor, ...]:
            return tuple(torch.where(flipped, b, a) for a, b in zip(frames, others, strict=True))

        return Pyramid(choose(features.maps, images.maps), choose(features.masks, images.masks))

    def mirror_images(self, rows: Tensor) -> Pyramid:
        """Return the features of the mirror images of frames of a plane of both sides."""
        device = self.scorer.device
        picked = [_single(self._mirror_images[row // BATCH_SIZE][row % BATCH_SIZE]).to(device) for row in rows.tolist()]
        return concatenate(picked)

    def _layouts(self, parts: Sequence[Tensor], mirror_images: Sequence[Pyramid]) -> tuple[Tensor, Tensor]:
        """Return the layouts of frames and of their mirror images, both ``(N, D)``, on the CPU."""
        mirrored = torch.cat([layout(_single(features)) for features in mirror_images]).cpu()
        return torch.cat([layout(self.cache.features(part)) for part in parts]).cpu(), mirrored

    def _embed_mirrored(self, frames: Tensor) -> Pyramid:
        return self.scorer.embed(self.images[frames].flip(-1).to(self.scorer.device)).to(torch.half)


def _single(features: Pyramid) -> Pyramid:
    return features.to(torch.float32)
