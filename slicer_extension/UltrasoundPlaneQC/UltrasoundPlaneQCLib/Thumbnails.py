"""Small pictures of frames, kept in the table of scores, so that they are saved with the scene."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import vtk
from numpy.typing import NDArray

from .Results import Results

SIDE = 72  # pixels of the longer side
PICTURE, PICTURE_FRAME = "STRIQ.picture", "STRIQ.pictureFrame"


def keepThumbnail(results: Results, frame: int, picture: NDArray[Any]) -> None:
    """Keep a small picture of a frame.

    Args:
        results: Table of the cine.
        frame: Number of the frame.
        picture: Gray or color values, shape ``(H, W)`` or ``(H, W, C)``.
    """
    results.node.SetAttribute(PICTURE, base64.b64encode(thumbnailPng(picture)).decode("ascii"))
    results.node.SetAttribute(PICTURE_FRAME, str(frame))


def thumbnailOf(results: Results) -> bytes:
    """Return the small picture as PNG; empty if there is none."""
    return base64.b64decode(results.node.GetAttribute(PICTURE) or "")


def frameOfThumbnail(results: Results) -> int | None:
    """Return the number of the frame that the small picture shows; ``None`` if there is none."""
    text = results.node.GetAttribute(PICTURE_FRAME)
    return int(text) if text else None


def thumbnailPng(picture: NDArray[Any]) -> bytes:
    """Return a small picture of gray or color values, shape ``(H, W)`` or ``(H, W, C)``, as PNG."""
    return pngOf(_small(picture))


def pngOf(gray: NDArray[np.uint8]) -> bytes:
    """Return a picture of gray values, shape ``(H, W)``, as PNG."""
    height, width = gray.shape
    picture = vtk.vtkImageImport()
    picture.SetDataScalarTypeToUnsignedChar()
    picture.SetWholeExtent(0, width - 1, 0, height - 1, 0, 0)
    picture.SetDataExtentToWholeExtent()
    pixels = gray[::-1].tobytes()  # the first row of VTK is the lowest
    picture.CopyImportVoidPointer(pixels, len(pixels))
    writer = vtk.vtkPNGWriter()
    writer.WriteToMemoryOn()
    writer.SetInputConnection(picture.GetOutputPort())
    writer.Write()
    return bytes(memoryview(writer.GetResult()))


def _small(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Return gray values of 8 bits, the mean over blocks of pixels."""
    gray: NDArray[np.float64] = picture.astype(np.float64)
    if gray.ndim == 3:
        gray = gray[..., :3].mean(axis=2)
    step = -(-max(gray.shape) // SIDE)
    rows, columns = (size // step for size in gray.shape)
    blocks = np.reshape(gray[: rows * step, : columns * step], (rows, step, columns, step))
    means: NDArray[np.float64] = blocks.mean(axis=(1, 3))
    high = 255.0 if picture.dtype == np.uint8 else max(float(means.max()), 1e-9)
    return np.round(np.minimum(np.maximum(means / high, 0.0), 1.0) * 255).astype(np.uint8)
