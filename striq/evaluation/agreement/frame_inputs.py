"""One frame with everything that a score or a control can be computed from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from striq.model.network import Pyramid
from striq.scoring.scorer import StriqScorer


@dataclass(frozen=True)
class FrameInputs:
    """One frame and the plane that its data set says it shows.

    Attributes:
        scorer: Fitted scorer.
        image: Prepared frame on the scorer's device, shape ``(1, 1, H, W)``.
        frozen: Its frozen features.
        plane: Index of the plane.
    """

    scorer: StriqScorer
    image: Tensor
    frozen: Pyramid
    plane: int

    @classmethod
    def encode(cls, scorer: StriqScorer, image: Tensor, plane: str, frozen: Pyramid | None = None) -> FrameInputs:
        """Move a prepared frame, shape ``(1, 1, H, W)``, to the scorer's device and encode it.

        Args:
            scorer: Fitted scorer.
            image: Prepared frame.
            plane: Name of the plane.
            frozen: Its frozen features, if they are known already.

        Raises:
            StriqError: If the scorer does not know the plane.
        """
        on_device = image.to(scorer.device)
        return cls(scorer, on_device, scorer.embed(on_device) if frozen is None else frozen, scorer.plane_index(plane))

    @cached_property
    def frame_terms(self) -> Tensor:
        """Terms of the frame by itself, shape ``(1, F)``."""
        return self.scorer.frame_terms(self.image)

    def quality(self, *, registered: bool = True, specialized: bool = True, weighted: bool = True) -> float:
        """Return Q of the frame, scored as its plane.

        Args:
            registered: False leaves registration out.
            specialized: False leaves the knowledge subspace (OKS) out.
            weighted: False weighs all locations of the anchors alike.
        """
        controls = {"registered": registered, "specialized": specialized, "weighted": weighted}
        scores = self.scorer.score_as_plane(self.frozen, self.frame_terms, self.plane, **controls)
        return float(scores.quality)
