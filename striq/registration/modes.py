r"""Closed-form weighted least-squares fits of eight transform families, all from the same moments.

Every fit minimizes :math:`\sum_i w_i |A p_i + t - q_i|^2` over its family. A ridge term pulls toward the identity.
It acts like additional matches :math:`q = p`, spread evenly over the frame. Without any other matches, every family
therefore yields exactly the identity, and no system of equations is singular.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from striq.types import Mode

MODES: tuple[str, ...] = get_args(Mode)
FRAME_VARIANCE = 1 / 3  # variance of a coordinate distributed uniformly over [-1, 1]
CENTERED_MODES = ("affine", "translation", "translation_scale", "rotation_translation")


@dataclass(frozen=True)
class MatchSums:
    """Weighted sums over matches ``p -> q``.

    Attributes:
        points: Sums of the products that :func:`point_products` returns, shape ``(B, 7)``.
        matches: Sums of q times x, y and 1, shape ``(B, 2, 3)``.
    """

    points: Tensor
    matches: Tensor


@dataclass(frozen=True)
class Moments:
    """Weighted moments of matches ``p -> q``.

    Attributes:
        mean_p: Mean of p, shape ``(B, 2)``.
        mean_q: Mean of q, shape ``(B, 2)``.
        pp: Mean of p times p transposed, shape ``(B, 2, 2)``.
        qp: Mean of q times p transposed, shape ``(B, 2, 2)``.
    """

    mean_p: Tensor
    mean_q: Tensor
    pp: Tensor
    qp: Tensor


def fit_transform(points: Tensor, matches: Tensor, weights: Tensor, *, mode: Mode, ridge: float | Tensor) -> Tensor:
    """Return the transform of one family that best maps points to their matches, shape ``(B, 2, 3)``.

    Convention:
        - In families without translation, rotation, scale and shear act about the center of the frame.
        - ``rotation_scale`` is a rotation times axis scales, R diag(sx, sy). The published matrix
          [[sx cos, -sin], [sin, sy cos]] is not such a product and is not used.

    Args:
        points: Locations as (x, y), shape ``(N, 2)``.
        matches: Match of each location, shape ``(B, N, 2)``.
        weights: Nonnegative weights, shape ``(B, N)``.
        mode: Family of transforms, one of ``MODES``.
        ridge: Weight of the pull toward the identity, positive.

    Raises:
        ValueError: If ``mode`` is unknown or ``ridge`` is not positive.
    """
    if mode not in MODES:
        msg = f"'mode' must be one of {', '.join(MODES)}, got {mode!r}."
        raise ValueError(msg)
    if isinstance(ridge, float) and ridge <= 0:  # a learned ridge is an exponential and always positive
        msg = f"'ridge' must be above 0 (it keeps the fit solvable), got {ridge}."
        raise ValueError(msg)
    products = point_products(points)
    match_sums = (weights.unsqueeze(-1) * matches).transpose(1, 2) @ products[:, :3]
    return fit_sums(MatchSums(weights @ products, match_sums), mode=mode, ridge=ridge)


def point_products(points: Tensor) -> Tensor:
    """Return the products x, y, 1, xx, xy, yx and yy of each point, shape ``(N, 7)``.

    Args:
        points: Locations as (x, y), shape ``(N, 2)``.
    """
    x, y = points.unbind(dim=1)
    return torch.stack([x, y, torch.ones_like(x), x * x, x * y, y * x, y * y], dim=1)


def fit_sums(sums: MatchSums, *, mode: Mode, ridge: float | Tensor) -> Tensor:
    """Return the transform that :func:`fit_transform` returns, computed from sums, shape ``(B, 2, 3)``.

    Args:
        sums: Weighted sums over the matches.
        mode: Family of transforms, one of ``MODES``.
        ridge: Weight of the pull toward the identity, positive.
    """
    moments = _moments(sums, ridge, centered=mode in CENTERED_MODES)
    linear = _LINEAR[mode](moments)
    offset = torch.baddbmm(moments.mean_q.unsqueeze(2), linear, moments.mean_p.unsqueeze(2), alpha=-1)
    return torch.cat([linear, offset], dim=2)


def _moments(sums: MatchSums, ridge: float | Tensor, *, centered: bool) -> Moments:
    total = (sums.points[:, 2] + ridge)[:, None, None]
    point_means, match_means = sums.points / total[:, 0], sums.matches / total
    mean_p, mean_q = point_means[:, :2], match_means[:, :, 2]
    prior = ridge * FRAME_VARIANCE * torch.eye(2, dtype=total.dtype, device=total.device) / total
    pp, qp = point_means[:, 3:].unflatten(1, (2, 2)) + prior, match_means[:, :, :2] + prior
    if not centered:
        return Moments(torch.zeros_like(mean_p), torch.zeros_like(mean_q), pp, qp)
    pp = torch.baddbmm(pp, mean_p.unsqueeze(2), mean_p.unsqueeze(1), alpha=-1)
    qp = torch.baddbmm(qp, mean_q.unsqueeze(2), mean_p.unsqueeze(1), alpha=-1)
    return Moments(mean_p, mean_q, pp, qp)


def _affine(moments: Moments) -> Tensor:
    # Solves A pp = qp. pp is a symmetric 2x2 matrix made regular by the ridge, so its inverse is written out.
    a, b, _, d = moments.pp.flatten(1).unbind(dim=1)
    adjugate = torch.stack([d, -b, -b, a], dim=-1).unflatten(-1, (2, 2))
    return torch.bmm(moments.qp, adjugate) / (a * d - b * b)[:, None, None]


def _translation(moments: Moments) -> Tensor:
    return torch.eye(2, dtype=moments.qp.dtype, device=moments.qp.device).expand_as(moments.qp)


def _rotation(moments: Moments) -> Tensor:
    # The rotation nearest to qp (polar decomposition), which in two dimensions is a single angle.
    qp = moments.qp
    return _rotation_matrix(torch.atan2(qp[:, 1, 0] - qp[:, 0, 1], qp[:, 0, 0] + qp[:, 1, 1]))


def _scale(moments: Moments) -> Tensor:
    return torch.diag_embed(_diagonal(moments.qp) / _diagonal(moments.pp))


def _shear(moments: Moments) -> Tensor:
    pp, qp = moments.pp, moments.qp
    shear_x = (qp[:, 0, 1] - pp[:, 0, 1]) / pp[:, 1, 1]
    shear_y = (qp[:, 1, 0] - pp[:, 0, 1]) / pp[:, 0, 0]
    one = torch.ones_like(shear_x)
    return torch.stack([one, shear_x, shear_y, one], dim=-1).unflatten(-1, (2, 2))


def _rotation_scale(moments: Moments) -> Tensor:
    # For a fixed angle, the best scales are ratios of moments. Inserting them leaves a quadratic form in (cos, sin),
    # which its first eigenvector maximizes. The sign of the eigenvector is chosen so that the scales are positive.
    qp, variance = moments.qp, _diagonal(moments.pp)
    vx, vy = variance[:, 0], variance[:, 1]
    k00 = qp[:, 0, 0] ** 2 / vx + qp[:, 1, 1] ** 2 / vy
    k11 = qp[:, 1, 0] ** 2 / vx + qp[:, 0, 1] ** 2 / vy
    k01 = qp[:, 0, 0] * qp[:, 1, 0] / vx - qp[:, 0, 1] * qp[:, 1, 1] / vy
    rotation = _rotation_matrix(0.5 * torch.atan2(2 * k01, k00 - k11))
    scales = _diagonal(rotation.transpose(1, 2) @ qp) / variance
    upright = torch.where(scales.sum(dim=1, keepdim=True) < 0, -1.0, 1.0)
    return (rotation * upright.unsqueeze(-1)) @ torch.diag_embed(scales * upright)


def _rotation_matrix(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], dim=-1).unflatten(-1, (2, 2))


def _diagonal(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1)


_LINEAR = {
    "affine": _affine,
    "translation": _translation,
    "rotation": _rotation,
    "scale": _scale,
    "shear": _shear,
    "rotation_scale": _rotation_scale,
    "translation_scale": _scale,
    "rotation_translation": _rotation,
}
