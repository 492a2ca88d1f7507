"""MONAI transforms that read, prepare and augment frames exactly as the command line does."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import MapTransform, Randomizable, Transform
from torch import Tensor

from striq.data.augmentation import ViewRanges, random_view
from striq.data.frame_images import FRAME, PATH_KEY, frame_image, plain_tensor, prepare_image, with_metadata_of
from striq.data.readers import find_sources, open_cine
from striq.errors import ReadError, as_read_error
from striq.types import Frame, FrameRecord

IMAGE, SOURCE, ERROR, TRANSFORM = "image", "source", "error", "transform"  # keys of an item
UNOPENED = -1  # frame of the item of a file that cannot be opened


class Augmentation(Protocol):
    """A random transform of MONAI that notes in ``transform`` how it moved the frame in ``image``."""

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> Any:
        """Seed the next call."""
        ...

    def __call__(self, data: Any) -> Any:
        """Return the item with a view in place of the frame."""
        ...


def list_frames(dataset_dir: str | Path) -> list[dict[str, Any]]:
    """Return one item per frame of every file: ``image`` (path) and ``frame`` (index); see :func:`each_frame`.

    Args:
        dataset_dir: A file or folder.
    """
    return each_frame([{IMAGE: str(source)} for source in find_sources([dataset_dir])])


def each_frame(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one item per frame of every item that names a file as ``image`` but no ``frame``; others stay.

    A file that cannot be opened has one item, of frame ``UNOPENED``.

    Args:
        items: Items of a data set.
    """
    found: list[dict[str, Any]] = []
    for item in items:
        frames: Sequence[int] = (UNOPENED,)
        if FRAME in item:
            frames = (item[FRAME],)
        else:
            with suppress(ReadError):  # raised again, and reported, when its item is loaded
                frames = range(len(open_cine(item[IMAGE])))
        found.extend({**item, FRAME: index} for index in frames)
    return found


def list_records(records: Sequence[FrameRecord]) -> list[dict[str, Any]]:
    """Return one item per record: ``image`` (path), ``frame`` (index) and ``row`` (place of the record)."""
    return [{IMAGE: str(r.path), FRAME: r.frame_index, "row": row} for row, r in enumerate(records)]


def stack_images(dataset: Sequence[Mapping[str, Any]]) -> Tensor:
    """Return the ``image`` of every item of a data set, shape ``(N, 1, H, W)``."""
    return torch.stack([plain_tensor(dataset[index][IMAGE]) for index in range(len(dataset))])


class LoadFrame(Transform):
    """Reads the frame that an item names into its ``image``, gray values in [0, 1], shape ``(1, H, W)``.

    Convention:
        - ``frame`` is the index in the file; it may be left out where the file has one frame.
        - The image's affine maps (row, column) to mm, or to pixels where the file states no spacing. The metadata holds
          ``filename_or_obj``, ``frame`` and, if known, ``spacing_mm`` (rows, columns).
    """

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item with the frame in place of the path, and the path as ``source``.

        Raises:
            ReadError: If the file cannot be read, or has several frames and the item does not say which.
        """
        path, index = str(data[IMAGE]), data.get(FRAME)
        frame = _read(path, index)
        return {**data, IMAGE: frame_image(frame), FRAME: frame.index if index is None else index, SOURCE: path}


class LoadPreparedFrame(Transform):
    """Reads and prepares the frame that an item names; one that cannot be used does not end the work on the others.

    Convention:
        - ``{"image": path}`` is enough for a file of one frame; ``frame`` says which of several.
        - ``error`` is empty, or says why the frame cannot be used; its image is then uniform gray.
        - The metadata of the image is that of :class:`LoadFrame` and :class:`PrepareFramed`.

    Args:
        size: Rows and columns of the prepared frame.
    """

    def __init__(self, size: Sequence[int] = (256, 256)) -> None:
        self.size = (int(size[0]), int(size[1]))

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item with the prepared frame in place of the path, the path as ``source``, and ``error``."""
        path, index = str(data[IMAGE]), data.get(FRAME)
        blank = MetaTensor(torch.full((1, *self.size), 0.5), meta={PATH_KEY: path})  # zero would be no fan
        image, error = blank, ""
        try:
            with as_read_error(path if index is None else f"{path}, frame {index}"):
                frame = _read(path, None if index is None else max(int(index), 0))
                image = prepare_image(frame_image(frame), self.size)
            index = frame.index if index is None else index
        except ReadError as failure:
            error = str(failure)
        return {**data, IMAGE: image, FRAME: UNOPENED if index is None else int(index), SOURCE: path, ERROR: error}


class PrepareFramed(MapTransform):
    """Crops frames to their fan and resamples them, shape ``(1, H, W)``.

    Convention:
        - Metadata stays. ``crop`` is added: top, left, bottom and right of the fan in the frame, pixels. The affine
          still maps (row, column) to the same place.

    Args:
        keys: Keys of the frames.
        size: Rows and columns of the prepared frame.
    """

    def __init__(self, keys: Hashable | Sequence[Hashable], size: Sequence[int] = (256, 256)) -> None:
        super().__init__(keys)  # pyright: ignore[reportArgumentType]
        self.size = (int(size[0]), int(size[1]))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with prepared frames."""
        prepared = dict(data)
        for key in self.key_iterator(prepared):
            prepared[key] = prepare_image(prepared[key], self.size)
        return prepared


class RandomView(Randomizable, Transform):
    """Moves and degrades the prepared frame in ``image`` and notes the pull-back from view to frame in ``transform``.

    Args:
        ranges: Largest changes of pose and appearance.
    """

    def __init__(self, ranges: ViewRanges | None = None) -> None:
        self.ranges = ranges or ViewRanges()
        self._generator = torch.Generator()

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandomView:
        """Seed the next view."""
        super().set_random_state(seed, state)
        self._generator.manual_seed(int(self.R.randint(2**31)) if seed is None else int(seed))
        return self

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item with a view in place of the frame."""
        image = data[IMAGE]
        view, transform = random_view(plain_tensor(image), self.ranges, generator=self._generator)
        return {**data, IMAGE: with_metadata_of(image, view), TRANSFORM: transform}


def _read(path: str, index: int | None) -> Frame:
    """Return a frame of a file; without an index, its only one."""
    cine = open_cine(path)
    if index is None and len(cine) != 1:
        raise ReadError(
            what="The frame is not named",
            where=path,
            expected=f"'frame', from 0 to {len(cine) - 1}",
            got="a path only",
            remedy="List every frame with striq.data.transforms.list_frames.",
        )
    return cine[0 if index is None else int(index)]
