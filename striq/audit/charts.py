"""Charts of score distributions as SVG inside a page."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from striq.audit.summary import Distribution

NUM_BINS = 20
LABEL_WIDTH = 95  # of a week and its date, in units of the chart


def histogram(scores: Distribution, *, width: int = 220, height: int = 80) -> str:
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
    return _svg(width, height + 18, "Histogram of Q", [*bars, base, _mark(scores.threshold, width, height), *labels])


def box(scores: Distribution, *, width: int = 240, height: int = 20) -> str:
    """Return a box plot: quartiles, median, and whiskers at 5 and 95 %; a dash if no frame shows a plane."""
    if not len(scores.quality):
        return "–"
    low, lower, median, upper, high = (width * scores.quantile(share) for share in (0.05, 0.25, 0.5, 0.75, 0.95))
    middle = height / 2
    parts = [
        f'<rect x="0" y="0" width="{width}" height="{height}" class="wash"/>',
        _mark(scores.threshold, width, height),
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" class="whisker"/>',
        f'<rect x="{lower:.1f}" y="4" width="{max(upper - lower, 1):.1f}" height="{height - 8}" class="box"/>',
        f'<line x1="{median:.1f}" x2="{median:.1f}" y1="2" y2="{height - 2}" class="median"/>',
    ]
    return _svg(width, height, "Box plot of Q", parts)


def timeline(weeks: Sequence[Distribution], *, width: int = 1000, height: int = 180) -> str:
    """Return the median of Q by week, in a band between the quartiles; weeks lie where they are in time."""
    days = np.array([_monday(week.name).toordinal() for week in weeks])
    left, right = 60, width - 50
    span = max(int(days[-1] - days[0]), 1)
    across = left + (days - days[0]) / span * (right - left) if len(weeks) > 1 else np.array([width / 2])
    below, middle, above = (
        [(x, height * (1 - week.quantile(share))) for x, week in zip(across, weeks, strict=True)]
        for share in (0.25, 0.5, 0.75)
    )
    thresholds = {week.threshold for week in weeks}
    levels = [height * (1 - one) for one in thresholds if one is not None and len(thresholds) == 1]
    parts = [
        f'<rect x="0" y="0" width="{width}" height="{height}" class="wash"/>',
        f'<polygon points="{_points([*above, *below[::-1]])}" class="band"/>',
        *(f'<line x1="0" x2="{width}" y1="{level:.1f}" y2="{level:.1f}" class="threshold"/>' for level in levels),
        f'<polyline points="{_points(middle)}" class="line"/>',
        *(_dot(week, place) for week, place in zip(weeks, middle, strict=True)),
        *(f'<text x="4" y="{y:g}">{q}</text>' for q, y in (("Q = 1", 14), ("0.5", height / 2 + 4), ("0", height - 4))),
        *(_week_label(weeks[i].name, across[i], height) for i in _labelled(across)),
    ]
    return _svg(width, height + 38, "Median of Q by week", parts)


def _dot(week: Distribution, place: tuple[float, float]) -> str:
    x, y = place
    title = f"{week.name}: median {week.quantile(0.5):.2f}, {len(week.quality)} frames of {week.num_studies} studies"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="dot"><title>{title}</title></circle>'


def _week_label(name: str, x: float, height: int) -> str:
    """Return a tick, the week, and the date of its Monday below."""
    day = _monday(name)
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{height}" y2="{height + 5}" class="base"/>'
        f'<text x="{x:.1f}" y="{height + 18}" text-anchor="middle">{name}</text>'
        f'<text x="{x:.1f}" y="{height + 33}" text-anchor="middle">{day.day} {day:%b %Y}</text>'
    )


def _labelled(across: NDArray[np.float64]) -> list[int]:
    """Return the weeks that are labelled: the first and the last, and those between that leave room."""
    chosen = [0]
    for i in range(1, len(across) - 1):
        if across[i] - across[chosen[-1]] >= LABEL_WIDTH and across[-1] - across[i] >= LABEL_WIDTH:
            chosen.append(i)
    return chosen if len(across) == 1 else [*chosen, len(across) - 1]


def _monday(week: str) -> datetime.date:
    """Return the first day of an ISO week, such as ``2024-W05``."""
    year, _, number = week.partition("-W")
    return datetime.date.fromisocalendar(int(year), int(number), 1)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _mark(threshold: float | None, width: int, height: int) -> str:
    """Return the line of a threshold; nothing if the frames have several."""
    if threshold is None:
        return ""
    x = threshold * width
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}" class="threshold"/>'


def _svg(width: int, height: int, name: str, parts: Sequence[str]) -> str:
    return f'<svg class="chart" role="img" aria-label="{name}" viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
