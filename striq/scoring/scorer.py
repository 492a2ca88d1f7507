"""The scorer: one object, one checkpoint, the same quality in the command line, the bundle, Slicer and evaluation."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striq.anchors.bank import AnchorBank
from striq.config import StriqConfig
from striq.data.inputs import Reading
from striq.errors import StriqError
from striq.model.blank import BlankWeights
from striq.model.network import Pyramid, StriqModel
from striq.model.tracing import TracedNetwork
from striq.plane_names import did_you_mean
from striq.quality.negatives import excess_over_negatives
from striq.quality.normalization import TermRange, normalize_terms, quality_score, quality_uncertainty
from striq.quality.plane_posterior import PlaneDensities, frame_descriptor
from striq.quality.plane_scores import PlaneScores
from striq.quality.terms import combine_terms, complete_weights
from striq.scoring.appearance_matching import AppearanceMatching
from striq.scoring.batch import Batch
from striq.scoring.checkpoint import FORMAT_VERSION, buffers_since, write_checkpoint
from striq.scoring.checkpoint_validation import check_state
from striq.scoring.derived_cache import is_traced
from striq.scoring.devices import AUTO
from striq.scoring.engine import AUTO_ENGINE, Engine, Parts, choose_engine
from striq.scoring.engines import ENGINES
from striq.scoring.explanation import Explanation
from striq.scoring.folded_encoder import pick_precision
from striq.scoring.frame_scores import frame_score
from striq.scoring.input_scoring import score_inputs
from striq.scoring.prefetch import has_spare_core, keep_threads, prefetch
from striq.scoring.recognition import recognize
from striq.scoring.reference import ReferenceEngine
from striq.scoring.scores import Scores
from striq.types import Frame, FrameScore
from striq.verdict import NO_PLANE

BATCH_SIZE = 4  # frames scored at once on a CPU; 4 x 20 pairs keep peak memory under 1 GB
ACCELERATED_BATCH_SIZE = 32  # elsewhere, where few frames at once leave most of the device idle


class StriqScorer(nn.Module):
    """Frames in, quality out. A state dict holds all it needs: weights, anchors, mean maps, ranges and settings.

    Args:
        planes: Names of the planes, in the order of the outputs.
        config: Settings; those of the checkpoint replace them on loading.
    """

    range_low: Tensor
    range_high: Tensor
    term_weights: Tensor
    evidence_range: Tensor

    def __init__(self, planes: Sequence[str], config: StriqConfig | None = None) -> None:
        super().__init__()
        keep_threads()
        self.rebuild(planes, config)

    def rebuild(self, planes: Sequence[str], config: StriqConfig | None = None) -> None:
        """Start anew, unfitted, with other planes and settings; see the class."""
        planes, config = list(planes), config or StriqConfig()
        if not planes or len(set(planes)) != len(planes) or {AUTO, NO_PLANE} & set(planes):
            msg = f"'planes' must be distinct names other than '{AUTO}' and '{NO_PLANE}', got {planes}."
            raise ValueError(msg)
        weights = complete_weights(config.quality.weights)
        self.planes = planes
        self.config = replace(config, quality=replace(config.quality, weights=weights))
        self.model = StriqModel(len(planes), config)
        self.bank = AnchorBank(len(planes), config.quality.num_anchors, config)
        self.negatives = AnchorBank(len(planes), config.quality.num_anchors, config)
        self.register_buffer("range_low", torch.zeros(len(planes), len(weights)))
        self.register_buffer("range_high", torch.ones(len(planes), len(weights)))
        self.register_buffer("term_weights", torch.tensor([list(weights.values())]).repeat(len(planes), 1))
        # Threshold and spread of each plane's evidence; infinite where it is not used.
        self.register_buffer("evidence_range", torch.full((len(planes), 2), torch.inf))
        self.densities = PlaneDensities(len(planes), config.encoder.channels)
        self.info: dict[str, Any] = {}
        self.seen_as_plane = AppearanceMatching(self.bank, self.config.quality.appearance_matching)
        self.use_engine()

    def use_engine(self, name: str = AUTO_ENGINE, *, precision: str = "float32") -> None:
        """Choose the engine that computes features and terms.

        Args:
            name: One of ``striq.scoring.engines.ENGINES``, or ``"auto"`` for the fastest that supports settings and
                device.
            precision: Of the encoder, see :func:`striq.scoring.folded_encoder.pick_precision`.

        Raises:
            StriqError: If the engine or the precision is not available on the device.
        """
        self.engine: Engine = self.make_engine(name, precision=precision)
        self._engine_device = self.device

    def make_engine(self, name: str = AUTO_ENGINE, *, precision: str = "float32") -> Engine:
        """Return an engine for this scorer without using it; see :meth:`use_engine`."""
        parts = Parts(self.model, self.bank, self.negatives, self.config, pick_precision(precision, self.device))
        return choose_engine(name, parts, self.device, ENGINES)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Move the scorer, as ``to`` does, and choose an engine for the new device."""
        moved = super()._apply(fn, recurse)
        if self.device != self._engine_device:
            self.use_engine()
        return moved

    @property
    def device(self) -> torch.device:
        """Device the scorer computes on."""
        return self.range_low.device

    @property
    def term_names(self) -> list[str]:
        """Names of the terms, in the order of the columns of ``range_low`` and ``term_weights``."""
        return list(self.config.quality.weights)

    def embed(self, image: Tensor) -> Pyramid:
        """Return the frozen features of prepared frames ``(B, 1, H, W)``."""
        return self.engine.embed(image)

    def frame_terms(self, image: Tensor) -> Tensor:
        """Return the terms of prepared frames ``(B, 1, H, W)`` by themselves, shape ``(B, F)``."""
        return self.engine.frame_terms(image)

    def encode(self, image: Tensor) -> tuple[Pyramid, Tensor, Tensor]:
        """Return frozen features, frame terms and plane probabilities of prepared frames ``(B, 1, H, W)``."""
        frozen = self.embed(image)
        return frozen, self.frame_terms(image), self.plane_posterior(frozen)

    def plane_posterior(self, frozen: Pyramid) -> Tensor:
        """Return the probability of each plane and, last, of none, shape ``(B, P + 1)``."""
        return self.densities(frame_descriptor(frozen))

    def forward(self, image: Tensor) -> Tensor:
        """Return the quality of each frame as each plane, shape ``(B, P)``; NaN for a plane without anchors.

        Args:
            image: Prepared frames, zero outside the fan, shape ``(B, 1, H, W)``.
        """
        if not is_traced():
            return self._quality_as_planes(image)
        # A tracer must record operations, not cached results.
        engine, self.engine = self.engine, self.make_engine(ReferenceEngine.name)
        try:
            return self._quality_as_planes(image)
        finally:
            self.engine = engine

    def _quality_as_planes(self, image: Tensor) -> Tensor:
        frozen, frame_terms = self.embed(image), self.frame_terms(image)
        unknown = image.new_full((image.shape[0],), torch.nan)
        quality = [
            self.score_as_plane(frozen, frame_terms, plane).quality if sources else unknown
            for plane, sources in enumerate(self.bank.sources)
        ]
        return torch.stack(quality, dim=1)

    def score_as_plane(
        self,
        frozen: Pyramid,
        frame_terms: Tensor,
        plane: int,
        *,
        registered: bool = True,
        specialized: bool = True,
        weighted: bool = True,
    ) -> PlaneScores:
        """Register frames to the anchors of one plane and score them.

        Args:
            frozen: Frozen features of a few frames: memory grows with frames times anchors.
            frame_terms: Terms of the same frames by themselves, shape ``(B, F)``.
            plane: Index of the plane.
            registered: False leaves every transform at the identity (a control of the evaluation).
            specialized: False leaves the knowledge subspace out (another control).
            weighted: False weighs all locations of the anchors alike (another control).
        """
        seen = self.seen_as_plane(frozen, plane)
        every = self.engine.pair_terms(seen, plane, registered=registered, specialized=specialized, weighted=weighted)
        pairs, negatives = every.split(len(self.bank.sources[plane]))
        excess = excess_over_negatives(pairs.terms, negatives.terms, self.term_names)
        terms, normalized, quality = self.quality_of(pairs.terms, frame_terms, plane, excess)
        of_range = self.range(plane), self.term_weights[plane], self.config.quality.anchor_share
        uncertainty, transforms = quality_uncertainty(pairs.terms, *of_range), (pairs.transforms, negatives.transforms)
        return PlaneScores(quality, terms, normalized, pairs.terms, *transforms, excess, uncertainty)

    def uses_evidence(self, plane: int) -> bool:
        """Return whether the evidence of a plane's anchors decides between the plane and none."""
        return bool(torch.isfinite(self.evidence_range[plane]).all())

    def range(self, plane: int) -> TermRange:
        """Return the range of the terms of one plane."""
        return TermRange(self.range_low[plane], self.range_high[plane])

    def quality_of(
        self, pair_terms: Tensor, frame_terms: Tensor, plane: int, excess: Tensor | float = 0.0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return raw and normalized terms of frames, each ``(B, T + F)``, and their quality, shape ``(B,)``.

        Args:
            pair_terms: Pair terms of each frame with each anchor, shape ``(B, K, T)``.
            frame_terms: Terms of the frames by themselves, shape ``(B, F)``.
            plane: Index of the plane.
            excess: As for :func:`striq.quality.terms.combine_terms`.
        """
        terms = combine_terms(pair_terms, frame_terms, self.config.quality.anchor_share, excess)
        normalized = normalize_terms(terms, self.range(plane))
        return terms, normalized, quality_score(normalized, self.term_weights[plane])

    def score(
        self,
        frames: Any,
        plane: str = AUTO,
        *,
        threshold: float | None = None,
        axes: str | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> Scores:
        """Score frames; each result depends on its own frame only, and on the fan of its cine (``Frame.fan``).

        Args:
            frames: Frames as read, or anything that :mod:`striq.data.inputs` takes: paths, cines, NumPy arrays, PyTorch
                tensors, MetaTensors or PIL images, one or several.
            plane: Name of the plane they show, or ``"auto"`` to decide per frame. A frame that shows none of the
                planes is scored as the likeliest one, reported as ``"none"``, and never accepted.
            threshold: Quality that an accepted frame exceeds; the model's own by default.
            axes: Axes of arrays, such as ``"THW"``; told from the shape by default.
            value_range: Values of arrays that are black and white; told from type and values by default.

        Returns:
            A sequence of scores. Of paths, cines and arrays, what cannot be scored is among its ``errors``.

        Raises:
            StriqError: If the model does not know the plane or has no anchors, or nothing can be scored.
        """
        return score_inputs(self, frames, plane, threshold, Reading(axes, value_range))

    def iterate(
        self, frames: Iterable[Frame], plane: str = AUTO, *, threshold: float | None = None
    ) -> Iterator[FrameScore]:
        """Yield scores as :meth:`score` returns them, a few frames at a time, so that long cines stay out of memory."""
        fixed = None if plane == AUTO else self.plane_index(plane)
        self._check_ready()
        limit = self.config.quality.threshold if threshold is None else threshold
        batches, overlaps = self._batches(iter(frames)), self.device.type != "cpu" or has_spare_core()
        for batch in prefetch(batches) if overlaps else batches:
            yield from self._score_batch(batch, fixed, limit)

    def _batches(self, frames: Iterator[Frame]) -> Iterator[Batch]:
        size = BATCH_SIZE if self.device.type == "cpu" else ACCELERATED_BATCH_SIZE
        while some := list(itertools.islice(frames, size)):
            yield Batch.prepare(some, self.config.encoder.size)

    @torch.inference_mode()
    def _score_batch(self, batch: Batch, plane: int | None, threshold: float) -> list[FrameScore]:
        image = batch.image.to(self.device)
        frozen, frame_terms = self.embed(image), self.frame_terms(image)
        if plane is None:
            recognized = recognize(self, image, frozen, frame_terms)
            posterior, planes, found = recognized.posterior.cpu(), recognized.planes, recognized.scores
            rejected = recognized.show_none
        else:
            posterior, planes = self.plane_posterior(frozen).cpu(), [plane] * len(batch.frames)
            together = self.score_as_plane(frozen, frame_terms, plane)
            found, rejected = [together.frame(i) for i in range(len(batch.frames))], [False] * len(batch.frames)
        scores = []
        for i, (frame, chosen, of_frame) in enumerate(zip(batch.frames, planes, found, strict=True)):
            score = frame_score(self, of_frame.cpu(), chosen, posterior[i], threshold, rejected=rejected[i])
            if not np.isfinite(score.quality):
                msg = f"{frame.source}, frame {frame.index}: the score is not a number. Please report this frame."
                raise StriqError(msg)
            origin = {"source": frame.source, "index": frame.index, "time_s": frame.time_s, "crop": batch.crops[i]}
            scores.append(replace(score, **origin))
        return scores

    @torch.inference_mode()
    def explain(self, frame: Frame, plane: str = AUTO, *, threshold: float | None = None) -> Explanation:
        """Return the score with the warped nearest anchor and the residual map.

        Args:
            frame: Frame as read.
            plane: As in :meth:`score`.
            threshold: As in :meth:`score`.
        """
        score = self.score([frame], plane, threshold=threshold)[0]
        index = self.plane_index(score.scored_plane)
        image = Batch.prepare([frame], self.config.encoder.size).image.to(self.device)
        transform = torch.from_numpy(score.transform)[None].to(self.device)
        seen = self.seen_as_plane(self.embed(image), index)
        maps = self.engine.pair_maps(seen, index, score.anchor_number, transform)
        return Explanation(
            score, maps.warped_anchor.cpu().numpy(), maps.residual.cpu().numpy(), maps.missing.cpu().numpy()
        )

    def plane_index(self, plane: str) -> int:
        """Return the index of a plane.

        Raises:
            StriqError: If the model does not know it.
        """
        if plane not in self.planes:
            msg = f"This model does not know the plane {plane!r}; it knows: {', '.join(self.planes)}."
            raise StriqError(msg + (did_you_mean(str(plane), self.planes) or f" {AUTO!r} lets it decide."))
        return self.planes.index(plane)

    def _check_ready(self) -> None:
        empty = [name for name, sources in zip(self.planes, self.bank.sources, strict=True) if not sources]
        if empty:
            msg = f"This model has no anchors for {', '.join(empty)}: it was built but not fitted. Train it first."
            raise StriqError(msg)

    def get_extra_state(self) -> dict[str, Any]:
        """Return what a state dict holds beside tensors, in plain containers."""
        return {
            "format_version": FORMAT_VERSION,
            "planes": self.planes,
            "config": self.config.to_dict(),
            "anchor_sources": self.bank.stored_sources(),
            "negative_sources": self.negatives.stored_sources(),
            "info": self.info,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_extra_state` returned."""
        self._restore_sources(state)
        self.info = dict(state["info"])

    def _restore_sources(self, state: dict[str, Any]) -> None:
        self.bank.restore_sources(state["anchor_sources"])
        self.negatives.restore_sources(state.get("negative_sources", [[]] * len(self.planes)))

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """Load a checkpoint and become the scorer it describes, whatever planes and settings it was made with.

        Raises:
            CheckpointError: If it is not a STRIQ checkpoint of a version that this program reads, or states what is
                not possible (:func:`striq.scoring.checkpoint_validation.check_state`).
        """
        check_state(state_dict)
        extra, device = state_dict["_extra_state"], self.device
        with BlankWeights() if strict else nullcontext():  # all are loaded next
            self.rebuild(extra["planes"], StriqConfig.from_dict(extra["config"]))
        self._restore_sources(extra)
        for bank in (self.bank, self.negatives):
            bank.resize([len(sources) for sources in bank.sources])
        self.to(device)
        missing = buffers_since(extra["format_version"])  # without stability, which is then 1 everywhere, and evidence
        new = {name: value for name, value in self.state_dict().items() if name.startswith(missing)}
        state_dict = {**new, **state_dict}
        loaded = super().load_state_dict(state_dict, strict=strict, assign=assign)
        self.use_engine()
        return loaded

    def with_reference_engine(self) -> StriqScorer:
        """Return a copy that computes with the reference engine, as tracing and export need it."""
        plain = copy.deepcopy(self)
        plain.use_engine(ReferenceEngine.name)
        return plain

    def __prepare_scriptable__(self) -> nn.Module:
        """Return what ``torch.jit.script`` compiles in the scorer's place: its operations, recorded."""
        example = self.range_low.new_zeros(1, 1, *self.config.encoder.size)
        return TracedNetwork(self.with_reference_engine(), example)

    def save(self, path: str | Path) -> Path:
        """Write the checkpoint atomically and return its path."""
        return write_checkpoint(path, self.state_dict())
