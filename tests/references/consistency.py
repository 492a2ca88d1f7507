"""Independent references of the consistency terms: plain loops over frames, channels and locations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

DEAD = 1e-4  # share of the mean variance below which a window is left out


def similarity(fixed: Sequence[Tensor], moving: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
    """Return minus the mean cosine over the fan, mean over levels."""
    results = []
    for b in range(len(fixed[0])):
        levels = []
        for f, m, mask in zip(fixed, moving, masks, strict=True):
            f_b, m_b, inside = f[b].numpy(), m[b].numpy(), mask[b, 0].numpy() > 0
            cosines = []
            for row, column in zip(*np.nonzero(inside), strict=True):
                u, v = f_b[:, row, column], m_b[:, row, column]
                cosines.append(float(u @ v / max(np.linalg.norm(u) * np.linalg.norm(v), 1e-12)))
            levels.append(np.mean(cosines))
        results.append(-np.mean(levels))
    return torch.tensor(results, dtype=torch.float32)


def ncc(fixed: Sequence[Tensor], moving: Sequence[Tensor], masks: Sequence[Tensor], *, window: int | None) -> Tensor:
    """Return minus the correlation of windows, all channels as one signal; mean over locations, then levels."""
    results = []
    for b in range(len(fixed[0])):
        levels = [
            _level(f[b].double().numpy(), m[b].double().numpy(), mask[b, 0].numpy() > 0, window)
            for f, m, mask in zip(fixed, moving, masks, strict=True)
        ]
        results.append(-np.mean(levels))
    return torch.tensor(results, dtype=torch.float32)


def smoothness(steps: Sequence[Tensor], *, translation_weight: float) -> Tensor:
    """Return the mean squared size of the transforms plus that of the changes between levels."""
    results = []
    for b in range(len(steps[0])):
        matrices = [step[b].numpy() for step in steps]
        size = [_squared(t - np.eye(2, 3), translation_weight) for t in matrices]
        change = [_squared(matrices[i + 1] - matrices[i], translation_weight) for i in range(len(matrices) - 1)]
        results.append(np.mean(size) + np.mean(change))
    return torch.tensor(results, dtype=torch.float32)


def _squared(difference: np.ndarray, translation_weight: float) -> float:
    return float((difference[:, :2] ** 2).sum() + translation_weight * (difference[:, 2] ** 2).sum())


def _level(f: np.ndarray, m: np.ndarray, inside: np.ndarray, window: int | None) -> float:
    windows = [np.nonzero(inside)] if window is None else _windows(inside, window)
    pairs = [(_centered(f, cells), _centered(m, cells)) for cells in windows]
    typical = [np.mean([(pair[side] ** 2).mean() for pair in pairs]) for side in (0, 1)]
    values = [
        float(a.ravel() @ b.ravel() / (np.linalg.norm(a) * np.linalg.norm(b)))
        for a, b in pairs
        if (a**2).mean() > DEAD * typical[0] and (b**2).mean() > DEAD * typical[1]
    ]
    return float(np.mean(values))


def _centered(maps: np.ndarray, cells: tuple[np.ndarray, ...]) -> np.ndarray:
    values = maps[:, cells[0], cells[1]]
    return values - values.mean(axis=1, keepdims=True)


def _windows(inside: np.ndarray, window: int) -> list[tuple[np.ndarray, ...]]:
    half, (height, width) = window // 2, inside.shape
    windows = []
    for row, column in zip(*np.nonzero(inside), strict=True):
        cells = [
            (r, c)
            for r in range(row - half, row + half + 1)
            for c in range(column - half, column + half + 1)
            if 0 <= r < height and 0 <= c < width and inside[r, c]
        ]
        if len(cells) > window * window / 2:
            windows.append(tuple(np.array(cells).T))
    return windows
