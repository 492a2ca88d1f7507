"""MONAI transforms that read and prepare frames exactly as the command line does."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.transforms.transform import MapTransform, Transform

from striq.data.preprocessing import prepare_frame
from striq.data.readers import find_sources, open_cine


def list_frames(dataset_dir: str | Path) -> list[dict[str, Any]]:
    """Return one item per frame of every readable file: ``image`` (path) and ``frame`` (index).

    Args:
        dataset_dir: A file or folder.

    Raises:
        ReadError: If a file cannot be read.
    """
    items = []
    for source in find_sources([dataset_dir]):
        items.extend({"image": str(source), "frame": index} for index in range(len(open_cine(source))))
    return items


class LoadFrame(Transform):
    """Reads the frame that an item of :func:`list_frames` names into its ``image``."""

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item with the frame in place of the path, and the path as ``source``."""
        frame = open_cine(data["image"])[int(data["frame"])]
        return {**data, "image": frame, "source": data["image"]}


class PrepareFramed(MapTransform):
    """Crops frames to their fan and resamples them, shape ``(1, H, W)``.

    Args:
        keys: Keys of the frames.
        size: Rows and columns wanted.
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
