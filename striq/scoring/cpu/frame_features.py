"""Features of one frame for one plane at chosen cells: ``StriqModel.describe`` without the other cells."""

from __future__ import annotations

from torch import Tensor

from striq.model.network import NUM_STAGES, Pyramid, StriqModel, matching_center
from striq.registration.vectors import unit_vectors
from striq.scoring.cpu.fan_cells import FanCells


class PlaneWeights:
    """Mean maps, projections and experts of one plane, with cells as rows.

    Args:
        model: Holds them.
        plane: Index of the plane.
        specialized: False leaves the knowledge subspace out.
    """

    def __init__(self, model: StriqModel, plane: int, *, specialized: bool) -> None:
        self.subspace = model.subspace if specialized and model.subspace.config.enabled else None
        self.experts = model.subspace.experts()
        means = [model.mean_map(stage)[plane].flatten(1).t() for stage in range(NUM_STAGES)]
        self.means = [mean.contiguous() for mean in means]
        self.centers = [model.channel_means(stage)[plane] for stage in range(NUM_STAGES)]
        self.frame_centering = model.aligner.config.frame_centering
        weights = [model.aligner.projection(stage) for stage in range(NUM_STAGES)]
        self.projections = [weight.t().contiguous() for weight in weights]


class FrameFeatures:
    """Features of the cells of one frame for one plane.

    Args:
        plane: Weights of the plane.
        frozen: Frozen features of the frame, a batch of one.
    """

    def __init__(self, plane: PlaneWeights, frozen: Pyramid) -> None:
        self.plane, self.masks = plane, frozen.masks
        stages = zip(frozen.maps, frozen.masks, plane.centers, strict=True)
        self._centers = [matching_center(*of_stage, plane.frame_centering).flatten() for of_stage in stages]
        self._vectors = [maps[0].flatten(1).t() for maps in frozen.maps]

    def compared(self, stage: int, fan: FanCells) -> Tensor:
        """Return the compared features of the cells inside the fan, shape ``(M, C)``.

        Args:
            stage: Counted from 0.
            fan: Cells of the frame's fan.
        """
        inside, plane = fan.inside[stage], self.plane
        centered = self._vectors[stage].index_select(0, inside) - plane.means[stage].index_select(0, inside)
        if stage + 1 < NUM_STAGES or plane.subspace is None:
            return centered
        mask = fan.shares[stage]
        blended = plane.subspace.blend(centered.t()[None, :, None], mask[None, None, None], *plane.experts)
        return blended[0, :, 0].t().contiguous()

    def matched(self, stage: int, cells: Tensor) -> Tensor:
        """Return the unit vectors that cells are matched by, shape ``(N, C)``; undefined outside the fan.

        Args:
            stage: Counted from 0.
            cells: Indices of the cells, row by row of the map, shape ``(N,)``.
        """
        centered = self._vectors[stage].index_select(0, cells) - self._centers[stage]
        return unit_vectors(centered @ self.plane.projections[stage])
