"""Drawn pictures of fans whose exact masks are known, with what scanners show beside them."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull

Mask = NDArray[np.bool_]
Gray = NDArray[np.float64]  # 0 to 255
HEIGHT, WIDTH = 480, 640


def sector(
    apex: tuple[float, float],
    angles: tuple[float, float],
    radii: tuple[float, float],
    top: float = 0,
    shape: tuple[int, int] = (HEIGHT, WIDTH),
) -> Mask:
    """Return a sector: apex as (x, y), left and right angle in degrees from straight down, inner and outer radius."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    radius = np.hypot(x - apex[0], y - apex[1])
    angle = np.degrees(np.arctan2(x - apex[0], y - apex[1]))
    inside = (angle > -angles[0]) & (angle < angles[1]) & (radius > radii[0]) & (radius < radii[1]) & (y >= top)
    return np.asarray(inside)


def _band(left: Callable[[Gray], Gray], right: Callable[[Gray], Gray], top: int = 80, bottom: int = 430) -> Mask:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    return (y >= top) & (y < bottom) & (x > left(y)) & (x < right(y))


SHAPES: dict[str, Mask] = {
    "sector": sector((320, 70), (40, 40), (0, 370)),
    "curved tip": sector((320, 50), (42, 42), (25, 380)),
    "straight tip": sector((320, 40), (38, 38), (0, 400), top=70),
    "curvilinear": sector((320, -80), (33, 33), (150, 520)),
    "wide sector": sector((320, 60), (60, 60), (12, 330)),
    "narrow sector": sector((320, 60), (22, 22), (0, 380)),
    "sector at the left": sector((230, 90), (38, 38), (10, 330)),
    "tilted sector": sector((250, 60), (25, 45), (5, 380)),
    "rectangle": _band(lambda y: 170 + 0 * y, lambda y: 470 + 0 * y, 70, 440),
    "trapezoid": _band(lambda y: 210 - 0.35 * (y - 80), lambda y: 430 + 0.35 * (y - 80)),
    "parallelogram": _band(lambda y: 130 + 0.35 * (y - 80), lambda y: 370 + 0.35 * (y - 80)),
}


def hull(mask: Mask) -> Mask:
    """Return the convex hull of a mask."""
    inner: Mask = np.asarray(ndimage.binary_erosion(mask), dtype=np.bool_)
    rows, columns = np.nonzero(mask & ~inner)
    corners = np.stack([columns, rows], axis=1)
    canvas = Image.new("L", (mask.shape[1], mask.shape[0]))
    points = [(float(x), float(y)) for x, y in corners[ConvexHull(corners).vertices]]
    ImageDraw.Draw(canvas).polygon(points, fill=1, outline=1)
    return np.asarray(canvas) > 0


def tissue(mask: Mask, seed: int = 0) -> Gray:
    """Return speckle of slowly changing brightness inside a mask, zero outside."""
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    speckle = ndimage.gaussian_filter(np.random.default_rng(seed).rayleigh(1, mask.shape), 1)
    return np.where(mask, 60 * speckle / speckle.mean() * (1 + 0.5 * np.sin(x / 37) * np.cos(y / 29)), 0)


def dark_band(mask: Mask) -> Gray:
    """Tissue with a band without echoes across the whole fan."""
    top, bottom, _, _ = extent(mask)
    picture = tissue(mask)
    picture[int(top + 0.3 * (bottom - top)) : int(top + 0.5 * (bottom - top))] = 0
    return picture


def dark_depths(mask: Mask) -> Gray:
    """Tissue that fades to a tenth of its brightness and less with depth."""
    top, bottom, _, _ = extent(mask)
    depth = (np.arange(len(mask)) - top) / (bottom - top)
    return tissue(mask) * np.clip(3 * (1.02 - depth), 0.04, 1)[:, None]


def black_blood(mask: Mask) -> Gray:
    """Tissue with three chambers without echoes."""
    top, bottom, left, right = extent(mask)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    picture, side = tissue(mask), np.sqrt(mask.sum())
    for across, along, radius in ((-0.02, 0.45, 0.1), (0.06, 0.65, 0.12), (-0.12, 0.72, 0.08)):
        center = (left + right) / 2 + across * side, top + along * (bottom - top)
        picture[np.hypot(x - center[0], y - center[1]) < radius * side] = 0
    return picture


def fluid_across(mask: Mask) -> Gray:
    """Tissue with a slanted band of fluid that separates the upper right part from the rest."""
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return np.where(np.abs(y - 0.5 * (x - 320) - 60) < 30, 0, tissue(mask))


def fluid_in_corner(mask: Mask) -> Gray:
    """Tissue with a round bulge, fluid above it."""
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return np.where((y > 80) | (np.hypot(x - 350, y - 70) < 68), tissue(mask), 0)


def extent(mask: Mask) -> tuple[int, int, int, int]:
    """Return the first and last row and the first and last column of a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


CONTENTS: dict[str, Callable[[Mask], Gray]] = {"band": dark_band, "depths": dark_depths, "blood": black_blood}


def banner(draw: ImageDraw.ImageDraw, picture: Image.Image, mask: Mask) -> None:
    """A gray bar with text above the fan, which it touches."""
    draw.rectangle([0, 0, picture.width, extent(mask)[0] - 1], fill=90)
    draw.text((20, 10), "HOSPITAL 12:30  MI 1.1", fill=255)


def banner_apart(draw: ImageDraw.ImageDraw, picture: Image.Image, mask: Mask) -> None:
    """A gray bar above the fan."""
    draw.rectangle([0, 0, picture.width, min(35, extent(mask)[0] - 12)], fill=90)


def banner_below(draw: ImageDraw.ImageDraw, picture: Image.Image, mask: Mask) -> None:
    """A gray bar with text below the fan, which it touches."""
    bottom = extent(mask)[1]
    draw.rectangle([0, bottom + 1, picture.width, picture.height], fill=110)
    draw.text((20, bottom + 5), "Gen THI 60dB", fill=255)


def ruler(draw: ImageDraw.ImageDraw, picture: Image.Image, mask: Mask) -> None:
    """A depth scale whose ticks reach into the fan."""
    top, bottom, _, right = extent(mask)
    x = min(right + 2, picture.width - 2)
    draw.line([x, top, x, bottom], fill=220, width=2)
    for y in range(top, bottom, 20):
        draw.line([x - 8, y, x, y], fill=220, width=2)


def gray_bar(draw: ImageDraw.ImageDraw, picture: Image.Image, mask: Mask) -> None:
    """A gray scale, tied to the fan by a mark."""
    del picture
    top, _, left, _ = extent(mask)
    for step in range(200):
        draw.line([left - 30, top + 20 + step, left - 12, top + 20 + step], fill=255 - step)
    draw.rectangle([left - 14, top + 200, left + 3, top + 206], fill=200)


def trace(draw: ImageDraw.ImageDraw, picture: Image.Image, mask: Mask) -> None:
    """An ECG across the lower end of the fan."""
    bottom = extent(mask)[1]
    heights = [(x, bottom - 6 - 40 * (x % 120 < 6) + int(6 * np.sin(x / 9))) for x in range(0, picture.width, 3)]
    draw.line(heights, fill=230, width=2)


def text(draw: ImageDraw.ImageDraw, picture: Image.Image, mask: Mask) -> None:
    """Lines of text at both sides."""
    del mask
    for line in range(6):
        draw.text((5, 60 + 14 * line), "TIS 0.4 FR 22Hz", fill=255)
        draw.text((picture.width - 110, 60 + 14 * line), "Gain 12dB", fill=255)


def thumbnail(draw: ImageDraw.ImageDraw, picture: Image.Image, mask: Mask) -> None:
    """A small copy of the picture in a frame, in the upper left corner."""
    top, bottom, left, right = extent(mask)
    picture.paste(picture.crop((left, top, right + 1, bottom + 1)).resize((90, 80)), (5, 5))
    draw.rectangle([4, 4, 95, 85], outline=140)


def thumbnail_below(draw: ImageDraw.ImageDraw, picture: Image.Image, mask: Mask) -> None:
    """A small copy of the picture in a frame, in the lower right corner."""
    top, bottom, left, right = extent(mask)
    copy = picture.crop((left, top, right + 1, bottom + 1)).resize((90, 80))
    picture.paste(copy, (picture.width - 95, picture.height - 85))
    draw.rectangle([picture.width - 96, picture.height - 86, picture.width - 5, picture.height - 5], outline=140)


def trace_below(draw: ImageDraw.ImageDraw, picture: Image.Image, mask: Mask) -> None:
    """An ECG below the fan, whose peaks reach into it."""
    base = min(picture.height - 5, extent(mask)[1] + 16)
    draw.line([(x, base - 30 * (x % 120 < 6)) for x in range(0, picture.width, 3)], fill=230, width=3)


def marker(form: str, size: int, is_right: bool, above: bool) -> Callable[..., None]:
    """Return a mark of the probe's orientation that touches a top corner: ``disk``, ``square`` or ``letter``.

    Args:
        form: What is drawn.
        size: Half of its height, pixels.
        is_right: It is at the right corner.
        above: It is above the corner as well, not only beside it.
    """

    def draw(draw: ImageDraw.ImageDraw, picture: Image.Image, mask: Mask) -> None:
        del picture
        rows, columns = np.nonzero(hull(mask))
        corner = int((1.5 * rows + (-columns if is_right else columns)).argmin())
        away = size * (0.7 if above else 1)
        x = float(columns[corner]) + (away if is_right else -away)
        y = max(float(size), float(rows[corner]) - (away if above else 0))
        box = [x - size, y - size, x + size, y + size]
        if form == "disk":
            draw.ellipse(box, fill=230)
        elif form == "square":
            draw.rectangle(box, fill=200)
        else:
            draw.line([(x - size, y - size), (x, y + size), (x + size, y - size)], fill=255, width=3)

    return draw


DECORATIONS = (
    banner,
    banner_apart,
    banner_below,
    ruler,
    gray_bar,
    trace,
    trace_below,
    text,
    thumbnail,
    thumbnail_below,
)


def decorated(picture: Gray, mask: Mask, decoration: Callable[..., None]) -> Gray:
    """Return a picture with a decoration drawn over it."""
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    decoration(ImageDraw.Draw(image), image, mask)
    return np.array(image).astype(np.float64)


def on_background(picture: Gray, mask: Mask, level: float, noise: float = 0, seed: int = 0) -> Gray:
    """Return a picture whose outside has a gray level, with noise everywhere."""
    return np.where(mask, picture, level) + noise * np.random.default_rng(seed).standard_normal(mask.shape)


def as_jpeg(picture: Gray, quality: int = 80) -> Gray:
    """Return a picture after JPEG compression."""
    stream = io.BytesIO()
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=quality)
    return np.array(Image.open(stream)).astype(np.float64)


def as_pixels(picture: Gray) -> NDArray[np.float32]:
    """Return a picture as a reader returns it."""
    return (np.clip(picture, 0, 255).astype(np.uint8) / np.float32(255)).astype(np.float32)


def overlap(found: Mask, expected: Mask) -> float:
    """Return intersection over union."""
    return float((found & expected).sum() / (found | expected).sum())
