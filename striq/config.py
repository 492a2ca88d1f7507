"""Settings of the method, with the paper's symbols and the origin of each default."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from striq.types import Mode

FORMAT_4_TERMS = ("similarity", "ncc", "smoothness", "contrast")  # checkpoints of format 4 hold weights without names
ORTHOGONALITIES = ("l1_a", "frobenius_a", "l1_ab", "frobenius_ab")


@dataclass(frozen=True)
class EncoderConfig:
    """Frozen encoder and what is kept of each stage.

    Attributes:
        size: Rows and columns of a prepared frame (paper: 256x256).
        channels: Channels kept of stages 1, 2 and 3. Stages 1 and 2 are compressed by principal components, which
            keeps a bank of anchors small; stage 3 keeps its 256, on which the knowledge subspace works.
        seed: Of the initialization used where no weights are given.
        backbone: Name of the network, one of ``striq.model.resnet.BACKBONES``.
    """

    size: tuple[int, int] = (256, 256)
    channels: tuple[int, int, int] = (16, 32, 256)
    seed: int = 0
    backbone: str = "resnet18"


@dataclass(frozen=True)
class SubspaceConfig:
    """Orthogonal Knowledge Subspace (OKS).

    Attributes:
        rank: Rows of an expert [R = 16].
        activation_threshold: Smallest activation of a selected plane basis [phi = 0.1], a cosine.
        general_threshold: Smallest activation of a selected general basis [tau = 0.1], a cosine.
        residual_scale: Weight of the Synergy Expert's output [alpha = 1].
        enabled: False passes features through unchanged (the control "OKS off").
        adaptive: False uses every basis for every frame (an ablation).
    """

    rank: int = 16
    activation_threshold: float = 0.1
    general_threshold: float = 0.1
    residual_scale: float = 1.0
    enabled: bool = True
    adaptive: bool = True


@dataclass(frozen=True)
class AlignerConfig:
    """Latent Registration Aligner (LRA).

    Attributes:
        mode: Family of transforms, one of the paper's eight.
        projections: Channels of the learned projection at stages 1, 2 and 3 (64 at stage 3: measured, design notes).
        radii: Half width of the local search at stages 1 and 2, cells.
        strides: Rows and columns from one matched cell to the next at stages 1 and 2; neighbors match alike (Q moves by
            0.002 in the mean where every cell is matched, at four times the work: docs/decisions/0005-cpu-engine.md).
        levels: Levels of the pyramid used, coarse to fine: 1 is stage 3 alone, 3 all stages [L = 3].
        ridge: Weight of the identity against matches whose weights sum to at most one.
        sharpness: Inverse temperature of the soft-argmax at the start of training.
        frame_centering: Before features are matched, the mean of each channel is subtracted: by this share that inside
            the frame's own fan, which takes away what differs between scanners, else the plane's, 0 to 1.
    """

    mode: Mode = "affine"
    projections: tuple[int, int, int] = (16, 32, 64)
    radii: tuple[int, int] = (2, 3)
    strides: tuple[int, int] = (2, 2)
    levels: int = 3
    ridge: float = 0.01
    sharpness: float = 15.0
    frame_centering: float = 0.5

    def __post_init__(self) -> None:
        if self.levels not in (1, 2, 3):
            msg = f"'levels' must be 1, 2 or 3, got {self.levels}."
            raise ValueError(msg)
        if not 0 <= self.frame_centering <= 1:
            msg = f"'frame_centering' must be 0 to 1, got {self.frame_centering}."
            raise ValueError(msg)


@dataclass(frozen=True)
class QualityConfig:
    """From consistency terms to Q.

    Attributes:
        weights: Weight of each term by name [w_m]; they sum to one. A scorer computes the terms named here. Empty:
            the default weights of ``striq.quality.terms.TERMS``.
        threshold: Q above which a frame is accepted [0.5].
        num_anchors: Anchors of a plane [K = 20].
        anchor_share: Share of the anchors that count for a frame, those it agrees with best. Paper: all.
        anchor_strategy: How anchors are chosen, one of ``striq.anchors.selection.STRATEGIES``.
        ncc_stages: Stages on which Eq. 3 is taken. Paper: all; measured: the first says most.
        ncc_window: Width of the local window of Eq. 3, cells, odd; ``None`` takes the whole fan (measured).
        translation_weight: Weight of the translation in the smoothness term [w_t].
        appearance_matching: Share by which mean and standard deviation of a frame's features are set to those of the
            anchors before it is compared, 0 to 1. Paper: 0; 0.25 makes scanners more alike.
    """

    weights: dict[str, float] = field(default_factory=dict)
    threshold: float = 0.5
    num_anchors: int = 20
    anchor_share: float = 0.5
    anchor_strategy: str = "variance_spectrum"
    ncc_stages: tuple[int, ...] = (1,)
    ncc_window: int | None = None
    translation_weight: float = 1.0
    appearance_matching: float = 0.0

    def __post_init__(self) -> None:
        values = self.weights.values()
        if values and (abs(sum(values) - 1) > 1e-6 or min(values) < 0):
            msg = f"'weights' must be nonnegative and sum to 1 so that Q stays in [0, 1], got {self.weights}."
            raise ValueError(msg)
        if not 0 < self.anchor_share <= 1:
            msg = f"'anchor_share' must be more than 0 and at most 1, got {self.anchor_share}."
            raise ValueError(msg)
        if not 0 <= self.appearance_matching <= 1:
            msg = f"'appearance_matching' must be 0 to 1, got {self.appearance_matching}."
            raise ValueError(msg)
        if not self.ncc_stages or not set(self.ncc_stages) <= {1, 2, 3}:
            msg = f"'ncc_stages' must name stages among 1, 2 and 3, got {self.ncc_stages}."
            raise ValueError(msg)


@dataclass(frozen=True)
class TrainingConfig:
    """Label-free training.

    Attributes:
        max_epochs: Passes over the training frames.
        batch_size: Frame pairs of a step.
        learning_rate: Of Adam (paper: 1e-4 over 500 epochs; higher here, over far fewer: projections are pretrained).
        orthogonality_weight: Weight of L_orth [lambda = 0.5].
        orthogonality: Norm of L_orth, and whether it holds for A alone or for A and B, one of ``ORTHOGONALITIES``.
        loss_terms: Names of the pair terms in L_reg; ``None``: those of ``striq.quality.terms.TERMS`` marked for it.
        known_transforms: False leaves out the supervision by known transforms, which the paper lacks (an ablation).
        views: Moved and degraded copies cached of each frame.
        validation_fraction: Share of groups held out for the label-free criterion.
        amp: Automatic mixed precision, where training is on a CUDA device.
        seed: Of every random decision in training.
    """

    max_epochs: int = 5
    batch_size: int = 8
    learning_rate: float = 2e-3
    orthogonality_weight: float = 0.5
    orthogonality: str = "l1_a"
    loss_terms: tuple[str, ...] | None = None
    known_transforms: bool = True
    views: int = 3
    validation_fraction: float = 0.15
    amp: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.orthogonality not in ORTHOGONALITIES:
            msg = f"'orthogonality' must be one of {', '.join(ORTHOGONALITIES)}, got {self.orthogonality!r}."
            raise ValueError(msg)


@dataclass(frozen=True)
class StriqConfig:
    """Everything that defines a scorer, stored in its checkpoint."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    subspace: SubspaceConfig = field(default_factory=SubspaceConfig)
    aligner: AlignerConfig = field(default_factory=AlignerConfig)
    quality: QualityConfig = field(default_factory=QualityConfig)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return plain containers, fit for a checkpoint or JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, dict[str, Any]]) -> StriqConfig:
        """Rebuild a configuration from :meth:`to_dict`; lists become tuples.

        An aligner without ``frame_centering`` is of a checkpoint before format 9, which centered by the plane alone.
        """
        parts = {}
        for part in fields(cls):
            settings = {name: _as_tuple(value) for name, value in values.get(part.name, {}).items()}
            if isinstance(weights := settings.get("weights"), tuple):
                settings["weights"] = dict(zip(FORMAT_4_TERMS, weights, strict=True))
            if part.name == "aligner" and settings:
                settings.setdefault("frame_centering", 0.0)
            parts[part.name] = _PARTS[part.name](**settings)
        return cls(**parts)


_PARTS: dict[str, Any] = {
    "encoder": EncoderConfig,
    "subspace": SubspaceConfig,
    "aligner": AlignerConfig,
    "quality": QualityConfig,
}


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
