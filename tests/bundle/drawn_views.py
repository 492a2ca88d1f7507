"""Drawn pictures that show none of the planes of the shipped model: spectra, M-modes, tissue, vessels, text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Picture = NDArray[np.float64]
Generator = np.random.Generator
HEIGHT, WIDTH = 480, 640


def spectrum(rng: Generator, *, baseline: float = 0.5, filled: bool = True) -> Picture:
    """Return the spectrum of a pulsed Doppler: envelopes over a baseline."""
    time = np.linspace(0, 6 * np.pi * rng.uniform(0.7, 1.5), WIDTH)
    envelope = np.abs(np.sin(time / 2)) ** rng.uniform(1, 4) * rng.uniform(0.3, 0.45) * HEIGHT
    velocity = HEIGHT * baseline - np.arange(HEIGHT)[:, None]
    picture = np.where((velocity > 0) & (velocity < envelope), rng.uniform(0.3, 0.7), 0.0)
    if not filled:
        picture[(velocity > 0) & (velocity < 0.7 * envelope)] *= 0.2
    picture = gaussian_filter(picture + 0.06 * rng.random(picture.shape), 1) * (0.6 + 0.8 * rng.random(picture.shape))
    picture[int(HEIGHT * baseline)] = 1
    return picture.clip(0, 1)


def m_mode(rng: Generator) -> Picture:
    """Return an M-mode: layers that move up and down over time."""
    time, depth = np.arange(WIDTH), np.arange(HEIGHT)[:, None]
    picture = 0.15 * gaussian_filter(rng.random((HEIGHT, WIDTH)), (3, 1))
    for layer in np.sort(rng.uniform(0, HEIGHT, 8)):
        phase = 2 * np.pi * time / rng.uniform(60, 160) + rng.uniform(0, 6)
        place = layer + rng.uniform(3, 25) * np.sin(phase)
        picture += rng.uniform(0.3, 0.9) * np.exp(-(((depth - place) / rng.uniform(2, 9)) ** 2))
    return (picture * (0.5 + rng.random(picture.shape))).clip(0, 1)


def tissue(rng: Generator) -> Picture:
    """Return speckle that darkens with depth."""
    picture = gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), (3, 6))
    picture = (picture - picture.min()) / np.ptp(picture)
    return picture * np.linspace(1, 0.4, HEIGHT)[:, None]


def cysts(rng: Generator) -> Picture:
    """Return tissue with three dark ellipses."""
    picture, (y, x) = tissue(rng), np.mgrid[:HEIGHT, :WIDTH]
    for _ in range(3):
        row, column = (
            (y - rng.uniform(100, 380)) / rng.uniform(30, 90),
            (x - rng.uniform(100, 540)) / rng.uniform(30, 90),
        )
        picture[np.hypot(row, column) < 1] *= 0.08
    return picture


def vessel(rng: Generator) -> Picture:
    """Return tissue with a vessel along it."""
    picture = tissue(rng)
    picture[200:280] *= 0.1
    picture[195:200], picture[280:285] = 0.8, 0.9
    return picture


def text(rng: Generator) -> Picture:
    """Return a page of bright blocks, as a report page is."""
    picture = np.zeros((HEIGHT, WIDTH))
    for line in range(12):
        for letter in range(rng.integers(5, 30)):
            top, left = 30 + 35 * line, 30 + 18 * letter
            picture[top : top + 12, left : left + 10] = 0.8 * (rng.random() > 0.2)
    return picture


def sector(picture: Picture, rng: Generator) -> Picture:
    """Return a picture inside a sector."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    radius, angle = np.hypot(y + 10, x - WIDTH / 2), np.abs(np.arctan2(x - WIDTH / 2, y + 10))
    return picture * ((radius < HEIGHT * 0.95) & (angle < rng.uniform(0.5, 0.75)) & (radius > 20))


VIEWS: dict[str, Callable[[Generator], Picture]] = {
    "spectrum": spectrum,
    "spectrum, low baseline": lambda rng: spectrum(rng, baseline=0.8),
    "spectrum, outlined": lambda rng: spectrum(rng, filled=False),
    "M-mode": m_mode,
    "tissue": tissue,
    "tissue in a sector": lambda rng: sector(tissue(rng), rng),
    "cysts": cysts,
    "cysts in a sector": lambda rng: sector(cysts(rng), rng),
    "vessel": vessel,
    "vessel in a sector": lambda rng: sector(vessel(rng), rng),
    "text": text,
}
