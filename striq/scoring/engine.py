"""What an engine computes for a scorer, and the choice of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from striq.anchors.bank import AnchorBank
from striq.config import StriqConfig
from striq.errors import StriqError
from striq.model.network import Pyramid, StriqModel

AUTO_ENGINE = "auto"


@dataclass(frozen=True)
class Parts:
    """What an engine computes with.

    Attributes:
        model: Encoder, subspace and aligner.
        bank: Anchors of every plane.
        negatives: Negative anchors of every plane, see ``striq.quality.negatives``.
        config: Settings of the scorer; ``config.quality.weights`` names the terms to compute, in order.
        precisions: Precision of the convolutions of each residual block, see ``striq.scoring.folded_encoder``.
    """

    model: StriqModel
    bank: AnchorBank
    negatives: AnchorBank
    config: StriqConfig
    precisions: tuple[torch.dtype, ...]

    @property
    def term_names(self) -> Sequence[str]:
        """Names of the terms of the scorer, pair terms first."""
        return list(self.config.quality.weights)


@dataclass(frozen=True)
class PairTerms:
    """Pair terms of B frames with each of K anchors; of a plane's K anchors first, then of its negative anchors.

    Attributes:
        terms: Shape ``(B, K, T)``, in the order of the scorer's pair terms.
        transforms: Pull-backs from each frame to each anchor, shape ``(B, K, 2, 3)``.
    """

    terms: Tensor
    transforms: Tensor

    def split(self, count: int) -> tuple[PairTerms, PairTerms]:
        """Return the pairs with the first anchors, and those with the others.

        Args:
            count: Number of the first anchors.
        """
        first = PairTerms(self.terms[:, :count], self.transforms[:, :count])
        return first, PairTerms(self.terms[:, count:], self.transforms[:, count:])


@dataclass(frozen=True)
class PairMaps:
    """Maps of one frame and one anchor warped onto it.

    Attributes:
        warped_anchor: Stage-3 features of the anchor on the frame's grid, shape ``(C, H, W)``.
        residual: One minus the cosine of the stage-1 features; NaN outside the fan, shape ``(H, W)``.
        missing: Half the residual times the weight of stable structure: where structure that all anchors show is not
            found, 0 to 1; NaN outside the fan, shape ``(H, W)``.
    """

    warped_anchor: Tensor
    residual: Tensor
    missing: Tensor


class Engine(Protocol):
    """Computes features and terms for a scorer.

    Every engine passes the same tests as :class:`striq.scoring.reference.ReferenceEngine`, which states the method.
    It is built from :class:`Parts` and sees later changes of their weights and anchors.
    """

    name: str

    @staticmethod
    def supports(parts: Parts, device: torch.device) -> bool:
        """Return whether the engine computes these settings on a device."""
        ...

    def embed(self, image: Tensor) -> Pyramid:
        """Return the frozen features of prepared frames ``(B, 1, H, W)``."""
        ...

    def frame_terms(self, image: Tensor) -> Tensor:
        """Return the terms of prepared frames by themselves, shape ``(B, F)``."""
        ...

    def pair_terms(
        self, frozen: Pyramid, plane: int, *, registered: bool = True, specialized: bool = True, weighted: bool = True
    ) -> PairTerms:
        """Return the pair terms of frames with every anchor of a plane, then with every negative anchor.

        Args:
            frozen: Frozen features of the frames.
            plane: Index of the plane.
            registered: False leaves every transform at the identity (a control of the evaluation).
            specialized: False leaves the knowledge subspace out (another control).
            weighted: False weighs all locations of the anchors alike (another control).
        """
        ...

    def pair_maps(self, frozen: Pyramid, plane: int, anchor: int, transform: Tensor) -> PairMaps:
        """Return the maps that explain a score.

        Args:
            frozen: Frozen features of one frame.
            plane: Index of the plane.
            anchor: Place of the anchor in the bank.
            transform: Pull-back from the frame to the anchor, shape ``(1, 2, 3)``.
        """
        ...


def choose_engine(name: str, parts: Parts, device: torch.device, engines: dict[str, type[Engine]]) -> Engine:
    """Return the engine named, or for ``"auto"`` the first one that supports settings and device.

    Args:
        name: Name of an engine, or ``"auto"``.
        parts: What the engine computes with.
        device: Where.
        engines: Engines by name, the fastest first.

    Raises:
        StriqError: If the engine is unknown or does not support these settings on the device.
    """
    if name != AUTO_ENGINE and name not in engines:
        msg = f"No engine {name!r}; choose one of: {AUTO_ENGINE}, {', '.join(engines)}."
        raise StriqError(msg)
    for known, engine in engines.items():
        if name in (AUTO_ENGINE, known) and engine.supports(parts, device):
            return engine(parts)  # pyright: ignore[reportCallIssue]
    msg = f"The engine {name!r} does not compute these settings on {device.type!r}. Use 'auto' or 'reference'."
    raise StriqError(msg)
