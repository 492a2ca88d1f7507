"""Everything about a scorer that is measured on unlabeled frames rather than learned by gradient."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.anchors.selection import select_anchors
from striq.data.preprocessing import structure_richness
from striq.errors import DatasetError
from striq.model.encoder import calibrate, fit_compression
from striq.model.network import NUM_STAGES, Pyramid
from striq.quality.normalization import TermRange, plane_weights
from striq.quality.plane_posterior import frame_descriptor
from striq.scoring.scorer import StriqScorer
from striq.training.cache import FeatureCache
from striq.types import AnchorSource, FrameRecord

logger = logging.getLogger(__name__)
BATCH_SIZE = 16
VECTORS_PER_PLANE = 20_000  # feature vectors from which an expert's starting directions are computed


class Calibration:
    """Prepares a scorer for training and completes it afterwards, on one set of frames.

    Args:
        scorer: Scorer to fit.
        images: Prepared frames, shape ``(N, 1, H, W)``.
        records: What each frame is; ratings are not looked at.
        seed: Of anchor choices and views.
        num_views: Random views cached of each frame.
        held_out: Which frames only validate, shape ``(N,)``; none by default.
        pretrained: The backbone holds weights of its own: keep its normalization statistics.
        cache_folder: Where to map cached features to; memory by default.
        like: An earlier calibration of the same frames and views with the same backbone, whose encoder and features are
            taken over; computed by default.
        known: Planes, the first ones, that were fitted before and have no frames here; what all planes share stays.
        quiet: Do not show progress bars.
    """

    def __init__(
        self,
        scorer: StriqScorer,
        images: Tensor,
        records: Sequence[FrameRecord],
        *,
        seed: int = 0,
        num_views: int = 3,
        held_out: Tensor | None = None,
        pretrained: bool = False,
        cache_folder: str | Path | None = None,
        like: Calibration | None = None,
        known: int = 0,
        quiet: bool = False,
    ) -> None:
        self.scorer, self.images, self.records = scorer, images, list(records)
        self.seed, self.num_views, self.pretrained = seed, num_views, pretrained
        self.cache_folder, self.known, self.quiet = cache_folder, known, quiet
        self.planes = torch.tensor([scorer.plane_index(record.plane) for record in records])
        self.held_out = torch.zeros(len(self.records), dtype=torch.bool) if held_out is None else held_out
        self.anchors: dict[int, Tensor] = {}
        self._like, self._cache = like, None if like is None else like.cache
        self._check_counts()

    @property
    def cache(self) -> FeatureCache:
        """Frozen features, there after :meth:`prepare`."""
        if self._cache is None:
            msg = "Call prepare() first."
            raise RuntimeError(msg)
        return self._cache

    @property
    def new_planes(self) -> range:
        """Indices of the planes that are fitted here."""
        return range(self.known, len(self.scorer.planes))

    def frames_of(self, plane: int, *, held_out: bool = False) -> Tensor:
        """Return the indices of a plane's training frames, or of its held-out ones."""
        return ((self.planes == plane) & (self.held_out == held_out)).nonzero().squeeze(1)

    def anchor_images(self) -> dict[str, Tensor]:
        """Return the prepared frames of the new planes' anchors, each ``(K, 1, H, W)``, in the order of the bank."""
        return {self.scorer.planes[plane]: self.images[anchors] for plane, anchors in self.anchors.items()}

    @torch.no_grad()
    def prepare(self) -> None:
        """Fix the encoder, cache features, and set mean maps, starting experts and anchors."""
        model = self.scorer.model
        if not self.known:
            self._prepare_shared()
        logger.info("Encoder: %s", self.scorer.info.get("encoder", "as loaded"))
        self._cache = self._cache or FeatureCache(
            self.scorer.embed,
            self.images,
            num_views=self.num_views,
            seed=self.seed,
            folder=self.cache_folder,
            quiet=self.quiet,
        )
        generator = torch.Generator().manual_seed(self.seed)
        richness = torch.cat([structure_richness(part) for part in self.images.split(BATCH_SIZE)])
        directions, self.anchors = [], {}
        for plane in self.new_planes:
            frames = self.frames_of(plane)
            self._set_mean_maps(plane, frames)
            centered = model.center(self.cache.features(frames), plane)
            directions.append(_principal_directions(centered, self.scorer.config.subspace.rank, generator))
            self.anchors[plane] = frames[self._choose(frames, richness[frames], generator)]
        model.subspace.start_from(directions, known=self.known)
        model.aligner.gates.fill_(1.0)

    def _prepare_shared(self) -> None:
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

    @torch.no_grad()
    def finish(self) -> None:
        """Store anchors, the ranges and weights of other frames, densities, and what training changed."""
        self.scorer.eval()
        self.scorer.use_engine()  # training may have left the range of settings that the engine supports
        self.scorer.model.subspace.store_task_vectors(known=self.known)
        for plane, anchors in self.anchors.items():
            self.scorer.bank.fill(plane, self.cache.features(anchors), [self._source(int(i)) for i in anchors])
        for plane, anchors in self.anchors.items():
            frames = self.frames_of(plane)
            others = frames[~torch.isin(frames, anchors)]
            self._set_statistics(plane, others)
        self._set_densities()

    def _set_statistics(self, plane: int, frames: Tensor) -> None:
        frozen = self.cache.features(frames)
        frame_terms = torch.cat(
            [self.scorer.frame_terms(self.images[i : i + 1].to(self.scorer.device)) for i in frames.tolist()]
        )
        terms = torch.cat(
            [self.scorer.score_as_plane(frozen[i], frame_terms[i : i + 1], plane).terms for i in range(len(frozen))]
        )
        span = TermRange.of(terms)
        self.scorer.range_low[plane], self.scorer.range_high[plane] = span.low, span.high
        self.scorer.term_weights[plane] = plane_weights(terms, self.scorer.config.quality.weights)

    def _set_densities(self) -> None:
        frames = {plane: self.frames_of(plane) for plane in self.new_planes}
        descriptors = {
            plane: torch.cat([frame_descriptor(self.cache.features(part)) for part in of_plane.split(BATCH_SIZE)])
            for plane, of_plane in frames.items()
        }
        if not self.known:
            self.scorer.densities.fit_directions(torch.cat(list(descriptors.values())))
        groups = {plane: [self.records[i].group for i in of_plane.tolist()] for plane, of_plane in frames.items()}
        self.scorer.densities.fit(descriptors, groups)

    def _set_mean_maps(self, plane: int, frames: Tensor) -> None:
        features = self.cache.features(frames)
        for stage in range(NUM_STAGES):
            inside = (features.masks[stage] > 0).to(features.maps[stage])
            total = (features.maps[stage] * inside).sum(dim=0)
            # Rounded to half precision, in which it is stored.
            self.scorer.model.mean_map(stage)[plane] = (total / inside.sum(dim=0).clamp(min=1)).half()

    def _choose(self, frames: Tensor, richness: Tensor, generator: torch.Generator) -> Tensor:
        # Typical is judged by what frames are matched on: the score's own features would call a look typical.
        plane = int(self.planes[frames[0]])
        matching = [
            self.scorer.model.matching_features(self.cache.features(part), plane)[-1]
            for part in frames.split(BATCH_SIZE)
        ]
        embeddings = F.normalize(torch.cat(matching).flatten(1), dim=1)
        quality = self.scorer.config.quality
        wanted = min(quality.num_anchors, len(richness) - 2)  # two frames at least remain to set the range
        return select_anchors(embeddings, richness, wanted, strategy=quality.anchor_strategy, generator=generator)

    def _source(self, index: int) -> AnchorSource:
        record = self.records[index]
        # The last folders tell equal file names apart; more would carry this machine's paths into the checkpoint.
        return AnchorSource("/".join(record.path.parts[-3:]), record.group, record.frame_index)

    def _batches(self) -> Iterator[Tensor]:
        return iter(self.images[~self.held_out].split(BATCH_SIZE))

    def _check_counts(self) -> None:
        if len(self.images) != len(self.records):
            msg = f"Expected one record per image, got {len(self.images)} images and {len(self.records)} records."
            raise ValueError(msg)
        for index in self.new_planes:
            plane, count = self.scorer.planes[index], len(self.frames_of(index))
            if count < 3:
                msg = f"Plane {plane!r} has {count} training frames; at least 3 are needed (anchors, and a range)."
                raise DatasetError(msg)


def _principal_directions(centered: Pyramid, rank: int, generator: torch.Generator) -> Tensor:
    vectors = centered.maps[-1].permute(0, 2, 3, 1)[centered.masks[-1][:, 0] > 0]
    some = torch.randperm(len(vectors), generator=generator)[:VECTORS_PER_PLANE]
    covariance = vectors[some].T.double() @ vectors[some].double()
    return torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :rank].T.float()
