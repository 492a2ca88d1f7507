"""Histogram and curves of a training as SVG inside a page: numbers only, styled by the page."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 12, 34  # margins


def draw_histogram(counts: Sequence[int], threshold: float, label: str) -> str:
    """Return the SVG of the number of frames in each tenth of Q, and of the threshold.

    Args:
        counts: Frames of each tenth, from the lowest.
        threshold: Q that an accepted frame exceeds.
        label: What it shows, for those who cannot see it.
    """
    most, step = max([1, *counts]), (WIDTH - LEFT - RIGHT) / len(counts)
    parts = [f'<text class="tick" x="{LEFT - 5}" y="{_y(1):g}" text-anchor="end">{most}</text>']
    for place, count in enumerate(counts):
        x, height = LEFT + place * step, count / most * (HEIGHT - TOP - BOTTOM)
        kind = "accepted" if place / len(counts) >= threshold else "rejected"
        title = f"Q from {place / len(counts):g} to {(place + 1) / len(counts):g}: {count} frames"
        box = f'x="{x + 1:.1f}" y="{_y(0) - height:.1f}" width="{step - 2:.1f}" height="{height:.1f}"'
        parts.append(f'<rect class="{kind}" {box}><title>{title}</title></rect>')
    x = LEFT + threshold * (WIDTH - LEFT - RIGHT)
    parts.append(f'<path class="threshold" d="M{x:.1f} {TOP}V{_y(0):g}"/>')
    return _svg([*_horizontal_axis("Q", (0, 0.25, 0.5, 0.75, 1)), *parts], label)


def draw_band(positions: Sequence[float], quartiles: Sequence[Sequence[float]], label: str) -> str:
    """Return the SVG of a median in [0, 1] with its quartiles.

    Args:
        positions: Places on the horizontal axis, in [0, 1].
        quartiles: Lower quartile, median and upper quartile, each with one value per place.
        label: What it shows, for those who cannot see it.
    """
    lower, median, upper = quartiles
    outline = [*zip(positions, upper, strict=True), *reversed(list(zip(positions, lower, strict=True)))]
    parts = [
        f'<path class="grid" d="M{LEFT} {_y(value):g}H{WIDTH - RIGHT}"/><text class="tick" x="{LEFT - 5}" '
        f'y="{_y(value) + 4:g}" text-anchor="end">{value:g}</text>'
        for value in (0, 0.5, 1)
    ]
    parts.append(f'<polygon class="band" points="{_points(outline)}"/>')
    parts.append(f'<polyline class="curve" points="{_points(list(zip(positions, median, strict=True)))}"/>')
    return _svg([*_horizontal_axis("share of structure lost", (0, 0.5, 1)), *parts], label)


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in places)


def _horizontal_axis(name: str, ticks: Sequence[float]) -> list[str]:
    place = 'text-anchor="middle"'
    texts = [f'<text class="tick" x="{_x(tick):.1f}" y="{HEIGHT - 20}" {place}>{tick:g}</text>' for tick in ticks]
    return [*texts, f'<text class="name" x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{HEIGHT - 4}" {place}>{name}</text>']


def _svg(parts: Sequence[str], label: str) -> str:
    return (
        f'<svg class="plot small" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def _x(value: float) -> float:
    return LEFT + value * (WIDTH - LEFT - RIGHT)


def _y(value: float) -> float:
    return TOP + (1 - value) * (HEIGHT - TOP - BOTTOM)
