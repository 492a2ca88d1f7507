"""Parts of ``inference.json``: the batch, the plane, the quality of each plane, the table, and the TensorRT engine."""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.transforms.transform import MapTransform
from torch import Tensor

from striq.atomic_files import write_csv
from striq.data.frame_images import FRAME, plain_tensor
from striq.data.transforms import ERROR, SOURCE, UNOPENED
from striq.errors import CheckpointError, StriqError
from striq.scoring.recognition import recognize
from striq.scoring.scorer import StriqScorer

PLANE = "plane"  # key of the recognized plane


def prepare_batch(
    batchdata: Mapping[str, Any], device: torch.device | str | None = None, non_blocking: bool = False, **kwargs: Any
) -> tuple[Tensor, Tensor]:
    """Return prepared images on the device, and zeros in place of labels."""
    del kwargs
    image = plain_tensor(batchdata["image"]).to(device, non_blocking=non_blocking)
    return image, torch.zeros(len(image))


class NamePlaned(MapTransform):
    """Adds the ``plane`` that a frame shows, or ``none``, recognized as ``striq score`` does.

    Args:
        keys: Key of the prepared frame, shape ``(1, H, W)``.
        scorer: Recognizes planes.
    """

    def __init__(self, keys: Hashable | Sequence[Hashable], scorer: StriqScorer) -> None:
        super().__init__(keys)  # pyright: ignore[reportArgumentType]
        self.scorer = scorer

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with the name of the plane."""
        named = dict(data)
        for key in self.key_iterator(named):
            named[PLANE] = self._plane_of(plain_tensor(named[key])[None].to(self.scorer.device))
        return named

    @torch.inference_mode()
    def _plane_of(self, image: Tensor) -> str:
        scorer = self.scorer
        return recognize(scorer, image, scorer.embed(image), scorer.frame_terms(image)).names(scorer.planes)[0]


class NameQualitiesd(MapTransform):
    """Replaces the network's output for a frame, shape ``(P,)``, by the quality of each plane by name.

    Args:
        keys: Key of the output.
        scorer: Names the planes; after its checkpoint has been loaded, they are those of the checkpoint.
    """

    def __init__(self, keys: Hashable | Sequence[Hashable], scorer: StriqScorer) -> None:
        super().__init__(keys)  # pyright: ignore[reportArgumentType]
        self.scorer = scorer

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with qualities by name, in the order of the network's output."""
        named = dict(data)
        for key in self.key_iterator(named):
            named[key] = dict(zip(self.scorer.planes, named[key].tolist(), strict=True))
        return named


class WriteQuality:
    """Writes one row per frame when the evaluator has seen all: file, frame, plane, processed ``pred``, error.

    Convention:
        - A frame with an error has no other values, and a file that cannot be opened has a single row without a frame.

    Args:
        path: CSV file to write.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.STARTED, self.clear)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def clear(self, engine: Engine) -> None:
        """Forget the frames of an earlier run."""
        del engine
        self.rows = []

    def __call__(self, engine: Engine) -> None:
        """Collect the frames of one batch."""
        batch: Any = engine.state.batch
        output: Any = engine.state.output
        for item, result in zip(batch, output, strict=True):
            frame, error = int(item[FRAME]), " ".join(item.get(ERROR, "").split())
            row = {"source": item[SOURCE], "frame": "" if frame == UNOPENED else frame}
            found = {**({PLANE: result[PLANE]} if PLANE in result else {}), **result["pred"]}
            self.rows.append({**row, **(dict.fromkeys(found, "") if error else found), ERROR: error})

    def write(self, engine: Engine) -> None:
        """Write the table."""
        del engine
        columns = list(dict.fromkeys(name for row in self.rows for name in row)) or ["source", "frame", ERROR]
        write_csv(self.path, columns, [[row.get(name, "") for name in columns] for row in self.rows])


def load_engine(path: str | Path) -> torch.jit.ScriptModule:
    """Return the TensorRT engine that ``monai.bundle trt_export`` wrote.

    Raises:
        CheckpointError: If there is no such file.
        StriqError: If the package ``torch_tensorrt``, which runs it, is missing.
    """
    if not Path(path).is_file():
        msg = f"{path}: no engine there. Make it on this machine with 'python -m monai.bundle trt_export'."
        raise CheckpointError(msg)
    try:
        importlib.import_module("torch_tensorrt")  # registers the operators of the engine
    except ImportError as error:
        msg = f"{path} needs an NVIDIA GPU and the package torch-tensorrt that fits torch {torch.__version__}: {error}."
        raise StriqError(msg) from error
    return torch.jit.load(str(path))
