"""Charts of score distributions as SVG inside a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striq.audit.summary import Distribution

NUM_BINS = 20


def histogram(scores: Distribution, threshold: float, *, width: int = 220, height: int = 80) -> str:
    """Return the histogram of Q from 0 to 1 with the threshold marked."""
    counts, _ = np.histogram(np.clip(scores.quality, 0, 1), NUM_BINS, (0, 1))
    step, tallest = width / NUM_BINS, max(int(counts.max()), 1)
    bars = [
        f'<rect x="{i * step + 0.5:.1f}" y="{height * (1 - count / tallest):.1f}" width="{step - 1:.1f}" '
        f'height="{height * count / tallest:.1f}" class="bar"/>'
        for i, count in enumerate(counts)
        if count
    ]
    labels = [
        f'<text x="{x}" y="{height + 14}" text-anchor="{anchor}">{text}</text>'
        for x, anchor, text in ((0, "start", "0"), (width / 2, "middle", "Q"), (width, "end", "1"))
    ]
    base = f'<line x1="0" x2="{width}" y1="{height}" y2="{height}" class="base"/>'
    return _svg(width, height + 18, "Histogram of Q", [*bars, base, _mark(threshold * width, height), *labels])


def box(scores: Distribution, threshold: float, *, width: int = 240, height: int = 20) -> str:
    """Return a box plot: quartiles, median, and whiskers at 5 and 95 %."""
    low, lower, median, upper, high = (width * scores.quantile(share) for share in (0.05, 0.25, 0.5, 0.75, 0.95))
    middle = height / 2
    parts = [
        f'<rect x="0" y="0" width="{width}" height="{height}" class="wash"/>',
        _mark(threshold * width, height),
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" class="whisker"/>',
        f'<rect x="{lower:.1f}" y="4" width="{max(upper - lower, 1):.1f}" height="{height - 8}" class="box"/>',
        f'<line x1="{median:.1f}" x2="{median:.1f}" y1="2" y2="{height - 2}" class="median"/>',
    ]
    return _svg(width, height, "Box plot of Q", parts)


def timeline(weeks: Sequence[Distribution], threshold: float, *, width: int = 1000, height: int = 180) -> str:
    """Return the median of Q by week, in a band between the quartiles."""
    across = np.linspace(60, width - 20, len(weeks)) if len(weeks) > 1 else np.array([width / 2])
    below, middle, above = (
        [(x, height * (1 - week.quantile(share))) for x, week in zip(across, weeks, strict=True)]
        for share in (0.25, 0.5, 0.75)
    )
    level = height * (1 - threshold)
    parts = [
        f'<rect x="0" y="0" width="{width}" height="{height}" class="wash"/>',
        f'<polygon points="{_points([*above, *below[::-1]])}" class="band"/>',
        f'<line x1="0" x2="{width}" y1="{level:.1f}" y2="{level:.1f}" class="threshold"/>',
        f'<polyline points="{_points(middle)}" class="line"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="dot"/>' for x, y in middle),
        f'<text x="4" y="14">Q = 1</text><text x="4" y="{height - 4}">0</text>',
        *(
            f'<text x="{across[i]:.1f}" y="{height + 16}" text-anchor="{anchor}">{weeks[i].name}</text>'
            for i, anchor in _ends(len(weeks))
        ),
    ]
    return _svg(width, height + 20, "Median of Q by week", parts)


def _ends(count: int) -> list[tuple[int, str]]:
    return [(0, "middle")] if count == 1 else [(0, "start"), (count - 1, "end")]


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _mark(x: float, height: int) -> str:
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}" class="threshold"/>'


def _svg(width: int, height: int, name: str, parts: Sequence[str]) -> str:
    return f'<svg class="chart" role="img" aria-label="{name}" viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
