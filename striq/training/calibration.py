"""Calibration of a scorer: everything that is measured on unlabeled frames rather than learned by gradient."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import torch
from torch import Tensor

from striq.anchors.provenance import anchor_source, new_salt
from striq.errors import DatasetError
from striq.model.encoder import calibrate, fit_compression
from striq.scoring.scorer import StriqScorer
from striq.training.cache import BATCH_SIZE, FeatureCache
from striq.training.lost_structure import LostStructure
from striq.training.negative_anchors import NegativeFrames, set_negatives
from striq.training.plane_calibration import PlaneCalibration
from striq.training.plane_support import PlaneSupport
from striq.training.score_statistics import (
    UnseenScores,
    fit_densities,
    ranking_stability,
    score_unseen,
    set_evidence_range,
    set_range_and_weights,
)
from striq.training.starting_values import principal_directions
from striq.training.training_frames import TrainingFrames
from striq.types import AnchorSource

logger = logging.getLogger(__name__)
FEWEST_FRAMES = 3  # of a plane: one anchor, and two others for the range


class Calibration:
    """Prepares a scorer for training and completes it afterwards, on one set of frames.

    Args:
        scorer: Scorer to calibrate.
        frames: Training and held-out frames.
        cache: Their features; it is filled here unless it comes from an earlier calibration of the same frames.
        seed: Of the choice of anchors.
        pretrained: The backbone has weights of its own, so its normalization statistics are kept.
        known: Planes, the first ones, that were learned before and have no frames here. What all planes share stays.
        like: Earlier calibration of the same frames with the same settings of the encoder, whose encoder and
            orientations are copied; by default they are computed from the frames.
        recognizes: Measure what tells planes apart. Without it, the scorer can score frames of known planes only.
        keep_paths: Keep the names of the anchors' files in the model, beside the hashes of their paths.
        negatives: Frames of other planes that become negative anchors of the new planes at the end.
    """

    def __init__(
        self,
        scorer: StriqScorer,
        frames: TrainingFrames,
        cache: FeatureCache,
        *,
        seed: int = 0,
        pretrained: bool = False,
        known: int = 0,
        like: Calibration | None = None,
        recognizes: bool = True,
        keep_paths: bool = False,
        negatives: NegativeFrames | None = None,
    ) -> None:
        self.scorer, self.frames, self.cache = scorer, frames, cache
        self.seed, self.pretrained, self.known = seed, pretrained, known
        self.planes = torch.tensor([scorer.plane_index(record.plane) for record in frames.records])
        self.of_planes: dict[int, PlaneCalibration] = {}
        self._mirrored = torch.zeros(len(self.planes), dtype=torch.bool)  # frames of planes of both sides
        self.unseen: dict[int, UnseenScores] = {}
        self.lost_structure: dict[int, LostStructure] = {}
        self.negatives = negatives or NegativeFrames()
        self._negative_images: dict[str, Tensor] = {}
        self._like, self.recognizes = like, recognizes
        self.keep_paths, self.salt = keep_paths, new_salt()
        self._check_counts()

    @property
    def new_planes(self) -> range:
        """Indices of the planes that are learned here."""
        return range(self.known, len(self.scorer.planes))

    def frames_of(self, plane: int, *, held_out: bool = False) -> Tensor:
        """Return the indices of a plane's training frames, or of its held-out ones."""
        return ((self.planes == plane) & (self.frames.held_out == held_out)).nonzero().squeeze(1)

    def partners_of(self, frame: int) -> Tensor:
        """Return the indices of the frames that a frame can be registered with, itself among them.

        They show its plane from its side, and are training frames if it is one, held-out frames otherwise.
        """
        same_plane = self.frames_of(int(self.planes[frame]), held_out=bool(self.frames.held_out[frame]))
        return same_plane[self._mirrored[same_plane] == self._mirrored[frame]]

    @property
    def anchors(self) -> dict[int, Tensor]:
        """Indices of the frames that are the anchors of each new plane, each once."""
        return {plane: of_plane.frames[of_plane.chosen] for plane, of_plane in self.of_planes.items()}

    def anchor_images(self) -> dict[str, Tensor]:
        """Return the prepared frames of the new planes' anchors, each ``(K, 1, H, W)``, in the order of the bank."""
        return {self.scorer.planes[plane]: of_plane.anchor_images() for plane, of_plane in self.of_planes.items()}

    def negative_images(self) -> dict[str, Tensor]:
        """Return the prepared frames of the new planes' negative anchors, each ``(R, 1, H, W)``, when finished."""
        none = self.frames.images[:0]
        return {plane: self._negative_images.get(plane, none) for plane in self.anchor_images()}

    @torch.no_grad()
    def prepare(self) -> None:
        """Fit the encoder's statistics, cache features, and set mean maps, first experts and anchors."""
        model = self.scorer.model
        if not self.known:
            self._prepare_encoder()
        logger.info("Encoder: %s", self.scorer.info.get("encoder", "as loaded"))
        self.cache.fill(self.scorer.embed, self.scorer.device)
        generator = torch.Generator().manual_seed(self.seed)
        directions: list[Tensor] = []
        for plane in self.new_planes:
            of_plane = self._plane_calibration(plane)
            self.negatives.check_count(
                self.scorer.planes[plane], self.scorer.negatives.num_anchors, both_sides=of_plane.both_sides
            )
            everything = torch.arange(len(of_plane.frames))
            of_plane.set_mean_maps(everything)
            rank = self.scorer.config.subspace.rank
            centered = model.center(self.cache.features(of_plane.frames), plane)
            directions.append(principal_directions(centered, rank, generator))
            of_plane.chosen = of_plane.choose(everything)
            self.of_planes[plane] = of_plane
            self._note_sides(of_plane)
        model.subspace.start_from(directions, known=self.known)
        model.aligner.gates.fill_(1.0)

    @torch.no_grad()
    def finish(self, *, measure_losses: bool = False) -> None:
        """Set ranges and weights on frames as unseen, store the anchors, fit the plane densities, set negative anchors.

        Args:
            measure_losses: Measure on some of the frames how Q falls as structure is lost, for a report.
        """
        self.scorer.eval()
        self.scorer.use_engine()  # training may have left the range of settings that the engine supports
        self.scorer.model.subspace.store_task_vectors(known=self.known)
        for plane, of_plane in self.of_planes.items():
            if measure_losses:
                self.lost_structure[plane] = LostStructure(of_plane)
            chosen, unseen = of_plane.chosen, score_unseen(of_plane, self.lost_structure.get(plane))
            set_range_and_weights(self.scorer, plane, unseen)
            of_plane.set_mean_maps(torch.arange(len(of_plane.frames)))
            of_plane.install(chosen)
            self.unseen[plane] = unseen
            self._describe(of_plane, ranking_stability(self.scorer, plane, unseen))
        if self.recognizes:
            self._measure_planes()
        self._set_negatives()

    def _set_negatives(self) -> None:
        """Set the negative anchors, last, so that all that is measured is as without them."""
        for plane in self.negatives.planes:
            records = self.negatives.of(plane).records
            sources = [anchor_source(record, self.salt, keep_paths=self.keep_paths) for record in records]
            images = set_negatives(self.scorer, plane, self.negatives, sources=sources)
            self._negative_images[plane] = images
            logger.info("%s: %d negative anchors of %d frames.", plane, len(images), len(records))

    def _measure_planes(self) -> None:
        """Set what tells planes apart: ranges of evidence and densities."""
        for plane, unseen in self.unseen.items():
            others = [other for number, other in self.of_planes.items() if number != plane]
            set_evidence_range(self.scorer, plane, unseen, others)
        frames_of = {plane: self.frames_of(plane) for plane in self.new_planes}
        groups = {plane: [self.frames.records[i].group for i in of.tolist()] for plane, of in frames_of.items()}
        fit_densities(self.scorer, self.cache, frames_of, groups)

    def _plane_calibration(self, plane: int) -> PlaneCalibration:
        frames = self.frames_of(plane)
        groups = [self.frames.records[i].group for i in frames.tolist()]
        sources = [self._source(i) for i in frames.tolist()]
        like = None if self._like is None else self._like.of_planes[plane]
        images = self.frames.images
        return PlaneCalibration(self.scorer, plane, images, self.cache, frames, groups, sources, self.seed, like)

    def _note_sides(self, of_plane: PlaneCalibration) -> None:
        """Note which frames of a plane of both sides are mirror images, the held-out ones among them."""
        if of_plane.both_sides:
            self._mirrored[of_plane.frames] = of_plane.orientation.mirrored
            if len(held_out := self.frames_of(of_plane.plane, held_out=True)):
                self._mirrored[held_out] = of_plane.mirrored_among(held_out)

    def _describe(self, of_plane: PlaneCalibration, stability: float) -> None:
        """Note and log what the training frames of a plane support."""
        name, count = self.scorer.planes[of_plane.plane], len(of_plane.frames)
        summary = PlaneSupport(
            name,
            count,
            len(set(of_plane.groups)),
            len(self.scorer.bank.sources[of_plane.plane]),
            of_plane.both_sides,
            stability,
        )
        self.scorer.info.setdefault("planes", {})[name] = summary.to_dict()
        for level, line in summary.lines():
            logger.log(level, "%s", line)

    def _prepare_encoder(self) -> None:
        model = self.scorer.model
        if not self.pretrained:
            seed = self.scorer.config.encoder.seed
            self.scorer.info["encoder"] = f"seeded initialization {seed}, statistics of the training frames"
        if self._like is None:
            if not self.pretrained:
                calibrate(model.encoder, self._batches())
            fit_compression(model.encoder, self._batches())
        else:
            model.encoder.load_state_dict(self._like.scorer.model.encoder.state_dict())
        if model.encoder.heads:
            stages = enumerate(model.encoder.heads, start=1)
            model.aligner.start_from([head.to(rows := model.encoder.compression(s)) @ rows.T for s, head in stages])

    def _source(self, index: int) -> AnchorSource:
        return anchor_source(self.frames.records[index], self.salt, keep_paths=self.keep_paths)

    def _batches(self) -> Iterator[Tensor]:
        for batch in self.frames.images[~self.frames.held_out].split(BATCH_SIZE):
            yield batch.to(self.scorer.device)

    def _check_counts(self) -> None:
        for index in self.new_planes:
            plane, count = self.scorer.planes[index], len(self.frames_of(index))
            if count < FEWEST_FRAMES:
                msg = (
                    f"Plane {plane!r} has {count} training frames; at least {FEWEST_FRAMES} are needed (anchors, and a "
                    "range). Add frames or leave the plane out."
                )
                raise DatasetError(msg)
