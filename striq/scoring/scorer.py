"""The scorer: one object, one checkpoint, the same quality in the command line, the bundle, Slicer and evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striq.anchors.bank import AnchorBank
from striq.atomic_files import replacing
from striq.config import StriqConfig
from striq.data.preprocessing import prepare_batch
from striq.errors import CheckpointError, StriqError
from striq.model.aligner import Alignment
from striq.model.network import PlaneFeatures, Pyramid, StriqModel
from striq.model.tracing import TracedNetwork
from striq.quality.consistency import consistency_terms
from striq.quality.frame_terms import NUM_TERMS, contrast_term, frame_terms
from striq.quality.normalization import TermRange, quality_score
from striq.quality.plane_posterior import PlaneDensities, frame_descriptor
from striq.quality.plane_scores import PlaneScores, score_by_plane
from striq.registration.affine import identity_affine
from striq.scoring.checkpoint import find_checkpoint, read_checkpoint
from striq.scoring.cpu.encoder import pick_precision
from striq.scoring.cpu.engine import QuickPath
from striq.scoring.cuda.recording import Recording
from striq.scoring.devices import AUTO, pick_device
from striq.scoring.prefetch import prefetch
from striq.scoring.threads import has_spare_core, keep_threads
from striq.types import NO_PLANE, AnchorSource, ConsistencyTerms, Frame, FrameScore

FORMAT_VERSION = 4
BATCH_SIZE = 4  # frames judged at once on a CPU; 4 x 20 pairs keep peak memory under 1 GB
ACCELERATED_BATCH_SIZE = 32  # elsewhere, where few frames at once leave most of the device idle


@dataclass(frozen=True)
class Explanation:
    """Why a frame got its score.

    Attributes:
        score: The score.
        warped_anchor: Stage-3 features of the nearest anchor on the frame's grid, shape ``(C, H, W)``.
        residual: One minus the cosine to the warped anchor, per stage-1 cell; NaN outside the fan, shape ``(H, W)``.
    """

    score: FrameScore
    warped_anchor: NDArray[np.float32]
    residual: NDArray[np.float32]


class StriqScorer(nn.Module):
    """Frames in, quality out. A state dict holds all it needs: weights, anchors, mean maps, ranges and settings.

    Args:
        planes: Names of the planes, in the order of the outputs.
        config: Settings; those of the checkpoint replace them on loading.
    """

    range_low: Tensor
    range_high: Tensor
    term_weights: Tensor

    def __init__(self, planes: Sequence[str], config: StriqConfig | None = None) -> None:
        super().__init__()
        keep_threads()
        self._build(list(planes), config or StriqConfig())

    def _build(self, planes: list[str], config: StriqConfig) -> None:
        if not planes or len(set(planes)) != len(planes) or {AUTO, NO_PLANE} & set(planes):
            msg = f"'planes' must be distinct names other than '{AUTO}' and '{NO_PLANE}', got {planes}."
            raise ValueError(msg)
        self.planes, self.config = planes, config
        self.model = StriqModel(len(planes), config)
        self.bank = AnchorBank(len(planes), config.quality.num_anchors, config)
        self.register_buffer("range_low", torch.zeros(len(planes), NUM_TERMS))
        self.register_buffer("range_high", torch.ones(len(planes), NUM_TERMS))
        self.register_buffer("term_weights", torch.tensor(config.quality.weights).repeat(len(planes), 1))
        self.densities = PlaneDensities(len(planes), config.encoder.channels)
        self.info: dict[str, Any] = {}
        self.quick = QuickPath(self.model, self.bank, config)
        self.recording: Recording | None = None

    @property
    def device(self) -> torch.device:
        """Device the scorer computes on."""
        return self.range_low.device

    def embed(self, image: Tensor) -> Pyramid:
        """Return the frozen features of prepared frames ``(B, 1, H, W)``."""
        return self.quick.embed(image) if self.quick.folds(self.device) else self.model.embed(image)

    def contrast(self, image: Tensor) -> Tensor:
        """Return the contrast term of prepared frames ``(B, 1, H, W)``, shape ``(B,)``."""
        return self.quick.contrast(image) if self.quick.serves(self.device) else contrast_term(image)

    def forward(self, image: Tensor) -> Tensor:
        """Return the quality of each frame as each plane, shape ``(B, P)``; NaN for a plane without anchors.

        Args:
            image: Prepared frames, zero outside the fan, shape ``(B, 1, H, W)``.
        """
        frozen, contrast = self.embed(image), self.contrast(image)
        unknown = image.new_full((image.shape[0],), torch.nan)
        judged = [
            self.score_as_plane(frozen, contrast, plane).quality if sources else unknown
            for plane, sources in enumerate(self.bank.sources)
        ]
        return torch.stack(judged, dim=1)

    def score_as_plane(
        self, frozen: Pyramid, contrast: Tensor, plane: int, *, registered: bool = True, specialized: bool = True
    ) -> PlaneScores:
        """Register frames to the anchors of one plane and judge them.

        Args:
            frozen: Frozen features of a few frames: memory grows with frames times anchors.
            contrast: Contrast term of the same frames, shape ``(B,)``.
            plane: Index of the plane.
            registered: False leaves every transform at the identity (a control of the evaluation).
            specialized: False leaves the knowledge subspace out (another control).
        """
        if self.quick.serves(self.device):
            pairs = self.quick.pair_terms(frozen, plane, registered=registered, specialized=specialized)
            pair_terms = torch.stack([pair.terms for pair in pairs])
            transforms = torch.stack([pair.transforms for pair in pairs])
        else:
            pair_terms, transforms = self._pair_terms(frozen, plane, registered=registered, specialized=specialized)
        terms, quality = self.quality_of(pair_terms, contrast, plane)
        return PlaneScores(quality, terms, pair_terms, transforms)

    def quality_of(self, pair_terms: Tensor, contrast: Tensor, plane: int) -> tuple[Tensor, Tensor]:
        """Return the terms of frames, shape ``(B, 4)``, and their quality, shape ``(B,)``.

        Args:
            pair_terms: Similarity, NCC and smoothness of each frame with each anchor, shape ``(B, K, 3)``.
            contrast: Contrast term of the frames, shape ``(B,)``.
            plane: Index of the plane.
        """
        terms = frame_terms(pair_terms, contrast, self.config.quality.anchor_share)
        span = TermRange(self.range_low[plane], self.range_high[plane])
        return terms, quality_score(terms, span, self.term_weights[plane])

    def _pair_terms(self, frozen: Pyramid, plane: int, *, registered: bool, specialized: bool) -> tuple[Tensor, Tensor]:
        """Return terms ``(B, K, 3)`` and transforms ``(B, K, 2, 3)`` of all pairs, as the method is written."""
        anchors = self.quick.anchors(plane, specialized=specialized)
        count = len(anchors.compared)
        fixed = self.model.describe(frozen, plane, specialized=specialized).repeat_each(count)
        terms, transforms = self.compare(fixed, anchors.tile(frozen.maps[0].shape[0]), registered=registered)
        return terms.unflatten(0, (-1, count)), transforms.unflatten(0, (-1, count))

    def compare(self, fixed: PlaneFeatures, moving: PlaneFeatures, *, registered: bool = True) -> tuple[Tensor, Tensor]:
        """Return the terms of N pairs, shape ``(N, 3)``, and the transforms, shape ``(N, 2, 3)``.

        Args:
            fixed: N frames as their planes see them.
            moving: N anchors, one for each.
            registered: False leaves every transform at the identity.
        """
        f, m = fixed.matching, moving.matching
        alignment = self.model.aligner(f.maps, m.maps, f.masks, m.masks) if registered else _standstill(m)
        registration = self.model.warp_onto(alignment, fixed.compared, moving.compared)
        return consistency_terms(registration, self.config.quality).stack(), alignment.transform

    def encode(self, image: Tensor) -> tuple[Pyramid, Tensor, Tensor]:
        """Return frozen features, contrast term and plane probabilities of prepared frames ``(B, 1, H, W)``."""
        frozen = self.embed(image)
        return frozen, self.contrast(image), self.posterior(frozen)

    def record(self) -> None:
        """Score frames that come one at a time by CUDA graphs from now on, where this scorer is on a CUDA device."""
        self.recording = Recording(self, self.quick, self.encode, self.score_as_plane)

    def posterior(self, frozen: Pyramid) -> Tensor:
        """Return the probability of each plane and, last, of none, shape ``(B, P + 1)``."""
        return self.densities(frame_descriptor(frozen))

    def score(self, frames: Iterable[Frame], plane: str = AUTO, *, threshold: float | None = None) -> list[FrameScore]:
        """Score frames; each result depends on its own frame only.

        Args:
            frames: Frames as read.
            plane: Name of the plane they show, or ``"auto"`` to decide per frame. A frame that shows none of the
                planes is judged as the likeliest one, reported as ``"none"``, and never accepted.
            threshold: Q above which a frame is accepted; the model's own by default.

        Raises:
            StriqError: If the model does not know the plane or has no anchors.
        """
        return list(self.iterate(frames, plane, threshold=threshold))

    def iterate(
        self, frames: Iterable[Frame], plane: str = AUTO, *, threshold: float | None = None
    ) -> Iterator[FrameScore]:
        """Yield scores as :meth:`score` returns them, a few frames at a time, so that long cines stay out of memory."""
        fixed = None if plane == AUTO else self.plane_index(plane)
        self._check_ready()
        limit = self.config.quality.threshold if threshold is None else threshold
        prepared = self._prepared(iter(frames))
        overlaps = self.device.type != "cpu" or has_spare_core()
        for batch, image in prefetch(prepared) if overlaps else prepared:
            yield from self._score_batch(batch, image, fixed, limit)

    def _prepared(self, frames: Iterator[Frame]) -> Iterator[tuple[list[Frame], Tensor]]:
        size = BATCH_SIZE if self.device.type == "cpu" else ACCELERATED_BATCH_SIZE
        while batch := list(itertools.islice(frames, size)):
            yield batch, prepare_batch(batch, self.config.encoder.size)

    @torch.inference_mode()
    def _score_batch(self, frames: list[Frame], image: Tensor, plane: int | None, threshold: float) -> list[FrameScore]:
        image = image.to(self.device)
        way = self.recording if self.recording is not None and self.recording.serves(image) else self
        frozen, contrast, posterior = way.encode(image)
        posterior = posterior.cpu()
        likeliest = posterior[:, :-1].argmax(dim=1) if plane is None else torch.full((len(frames),), plane)
        scores: dict[int, FrameScore] = {}
        for chosen, members, judgement in score_by_plane(way.score_as_plane, frozen, contrast, likeliest):
            judged = judgement.cpu()
            for row, i in enumerate(members.tolist()):
                rejected = plane is None and bool(posterior[i].argmax() == len(self.planes))
                scores[i] = self._frame_score(frames[i], judged, row, chosen, posterior[i], rejected, threshold)
        return [scores[i] for i in range(len(frames))]

    def _frame_score(
        self,
        frame: Frame,
        judged: PlaneScores,
        row: int,
        plane: int,
        posterior: Tensor,
        rejected: bool,
        threshold: float,
    ) -> FrameScore:
        quality = float(judged.quality[row])
        if not np.isfinite(quality):
            msg = f"{frame.source}, frame {frame.index}: the score is not a number. Please report this frame."
            raise StriqError(msg)
        nearest = int(judged.pair_terms[row, :, 0].argmin())
        return FrameScore(
            quality=quality,
            accepted=quality > threshold and not rejected,
            plane=NO_PLANE if rejected else self.planes[plane],
            plane_probabilities=dict(zip([*self.planes, NO_PLANE], posterior.tolist(), strict=True)),
            terms=ConsistencyTerms(*judged.terms[row].tolist()),
            transform=judged.transforms[row, nearest].numpy(),
            nearest_anchor=self.bank.sources[plane][nearest],
            source=frame.source,
            index=frame.index,
            time_s=frame.time_s,
        )

    @torch.inference_mode()
    def explain(self, frame: Frame, plane: str = AUTO) -> Explanation:
        """Return the score with the warped nearest anchor and the residual map.

        Args:
            frame: Frame as read.
            plane: As in :meth:`score`.
        """
        score = self.score([frame], plane)[0]
        index = self.plane_index(self.scored_plane(score))
        image = prepare_batch([frame], self.config.encoder.size).to(self.device)
        query = self.model.specialize(self.embed(image), index)
        nearest = self.bank.features(index)[self.bank.sources[index].index(score.nearest_anchor)]
        anchor = self.model.specialize(nearest, index)
        transform = torch.from_numpy(score.transform)[None].to(self.device)
        registration = self.model.warp_onto(Alignment(transform, (transform,)), query, anchor)
        cosine = torch.cosine_similarity(query.maps[0], registration.warped[0], dim=1)[0]
        residual = torch.where(query.masks[0][0, 0] > 0, 1 - cosine, torch.nan)
        return Explanation(score, registration.warped[-1][0].cpu().numpy(), residual.cpu().numpy())

    def scored_plane(self, score: FrameScore) -> str:
        """Return the plane whose anchors judged a frame: of a frame that shows none, the likeliest one."""
        known = {name: score.plane_probabilities[name] for name in self.planes}
        return max(known, key=known.__getitem__) if score.plane == NO_PLANE else score.plane

    def plane_index(self, plane: str) -> int:
        """Return the index of a plane.

        Raises:
            StriqError: If the model does not know it.
        """
        if plane not in self.planes:
            msg = f"This model does not know the plane {plane!r}; it knows: {', '.join(self.planes)}."
            raise StriqError(msg)
        return self.planes.index(plane)

    def _check_ready(self) -> None:
        empty = [name for name, sources in zip(self.planes, self.bank.sources, strict=True) if not sources]
        if empty:
            msg = f"This model has no anchors for {', '.join(empty)}: it was built but not fitted. Train it first."
            raise StriqError(msg)

    def get_extra_state(self) -> dict[str, Any]:
        """Return what a state dict holds beside tensors, in plain containers."""
        sources = [[asdict(source) for source in plane] for plane in self.bank.sources]
        return {
            "format_version": FORMAT_VERSION,
            "planes": self.planes,
            "config": self.config.to_dict(),
            "anchor_sources": sources,
            "info": self.info,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_extra_state` returned."""
        self.bank.sources = [[AnchorSource(**source) for source in plane] for plane in state["anchor_sources"]]
        self.info = dict(state["info"])

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """Load a checkpoint and become the scorer it describes, whatever planes and settings it was made with.

        Raises:
            CheckpointError: If it is not a STRIQ checkpoint of a version that this program reads.
        """
        extra = state_dict.get("_extra_state")
        if not isinstance(extra, dict) or extra.get("format_version") != FORMAT_VERSION:
            msg = (
                f"Not a STRIQ checkpoint of format {FORMAT_VERSION}. Give a model.pt written by this version of STRIQ."
            )
            raise CheckpointError(msg)
        device = self.device
        self._build(list(extra["planes"]), StriqConfig.from_dict(extra["config"]))
        self.bank.resize([len(sources) for sources in extra["anchor_sources"]])
        self.to(device)
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def __prepare_scriptable__(self) -> nn.Module:
        """Return what ``torch.jit.script`` compiles in the scorer's place: its operations, recorded."""
        return TracedNetwork(self, self.range_low.new_zeros(1, 1, *self.config.encoder.size))

    def save(self, path: str | Path) -> Path:
        """Write the checkpoint atomically and return its path; in half precision what loses nothing by it."""
        state = {name: _halved(value) for name, value in self.state_dict().items()}
        with replacing(path) as stream:
            torch.save(state, stream)
        return Path(path)


def _halved(value: Any) -> Any:
    if not isinstance(value, Tensor) or value.dtype != torch.float32:
        return value
    half = value.half()
    return half if torch.equal(half.float(), value) else value


def _standstill(anchors: Pyramid) -> Alignment:
    identity = identity_affine(anchors.maps[0].shape[0], anchors.maps[0])
    return Alignment(identity, (identity,))


def load_scorer(
    path: str | Path | None = None, device: str = AUTO, *, precision: str = "float32", recorded: bool = False
) -> StriqScorer:
    """Return a scorer ready to use.

    Args:
        path: As for :func:`striq.scoring.checkpoint.find_checkpoint`.
        device: ``"auto"`` (CUDA, then MPS, then CPU), or a device of PyTorch.
        precision: Of the encoder on a CPU or a CUDA device: ``"float32"``; ``"mixed"``, which moves Q by less than
            0.001 (measured); ``"bfloat16"``, by less than 0.003; ``"float16"``, on CUDA only, by less than 0.001; or
            ``"auto"``: float16 on CUDA, mixed where the processor computes in bfloat16, else float32.
        recorded: Score frames that come one at a time, as from a live stream, by CUDA graphs where there is CUDA.

    Raises:
        CheckpointError: If there is no readable checkpoint.
    """
    scorer = StriqScorer(["unset"])
    scorer.load_state_dict(read_checkpoint(find_checkpoint(path)))
    scorer = cast("StriqScorer", scorer.eval().to(pick_device(device)))
    scorer.quick.precision = pick_precision(precision, scorer.device)
    if recorded:
        scorer.record()
    return scorer
