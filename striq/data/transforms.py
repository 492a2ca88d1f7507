"""MONAI transforms that read, prepare and augment frames exactly as the command line does."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from monai.transforms.transform import MapTransform, Randomizable, Transform
from monai.utils.type_conversion import convert_to_tensor
from torch import Tensor

from striq.data.augmentation import ViewRanges, random_view
from striq.data.preprocessing import prepare_frame
from striq.data.readers import find_sources, open_cine
from striq.errors import ReadError, as_read_error
from striq.types import FrameRecord

IMAGE, FRAME, SOURCE, ERROR, TRANSFORM = "image", "frame", "source", "error", "transform"  # keys of an item
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
    """Return one item per frame of every file: ``image`` (path) and ``frame`` (index).

    A file that cannot be opened has one item, of frame ``UNOPENED``.

    Args:
        dataset_dir: A file or folder.
    """
    items = []
    for source in find_sources([dataset_dir]):
        try:
            frames = range(len(open_cine(source)))
        except ReadError:  # raised again, and reported, when its item is loaded
            frames = (UNOPENED,)
        items.extend({IMAGE: str(source), FRAME: index} for index in frames)
    return items


def list_records(records: Sequence[FrameRecord]) -> list[dict[str, Any]]:
    """Return one item per record: ``image`` (path), ``frame`` (index) and ``row`` (place of the record)."""
    return [{IMAGE: str(r.path), FRAME: r.frame_index, "row": row} for row, r in enumerate(records)]


def stack_images(dataset: Sequence[Mapping[str, Any]]) -> Tensor:
    """Return the ``image`` of every item of a data set, shape ``(N, 1, H, W)``."""
    return torch.stack([plain_tensor(dataset[index][IMAGE]) for index in range(len(dataset))])


def plain_tensor(value: Any) -> Tensor:
    """Return an array or one of MONAI's tensors as a tensor without metadata."""
    return convert_to_tensor(value, track_meta=False)


class LoadFrame(Transform):
    """Reads the frame that an item of :func:`list_frames` names into its ``image``."""

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item with the frame in place of the path, and the path as ``source``."""
        frame = open_cine(data[IMAGE])[int(data[FRAME])]
        return {**data, IMAGE: frame, SOURCE: data[IMAGE]}


class LoadPreparedFrame(Transform):
    """Reads and prepares the frame that an item names; one that cannot be used does not end the work on the others.

    Convention:
        - ``error`` is empty, or says why the frame cannot be used; its image is then uniform gray.

    Args:
        size: Rows and columns of the prepared frame.
    """

    def __init__(self, size: Sequence[int] = (256, 256)) -> None:
        self.size = (int(size[0]), int(size[1]))

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item with the prepared frame in place of the path, the path as ``source``, and ``error``."""
        path, index = str(data[IMAGE]), int(data[FRAME])
        image, error = torch.full((1, *self.size), 0.5), ""  # zero would be a frame without a fan
        try:
            cine = open_cine(path)
            with as_read_error(f"{path}, frame {index}"):
                image = prepare_frame(cine[max(index, 0)], self.size)
        except ReadError as failure:
            error = str(failure)
        return {**data, IMAGE: image, SOURCE: path, ERROR: error}


class PrepareFramed(MapTransform):
    """Crops frames to their fan and resamples them, shape ``(1, H, W)``.

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
            prepared[key] = prepare_frame(prepared[key], self.size)
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
        view, transform = random_view(data[IMAGE], self.ranges, generator=self._generator)
        return {**data, IMAGE: view, TRANSFORM: transform}
