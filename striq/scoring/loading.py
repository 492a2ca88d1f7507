"""Loading of a scorer from a checkpoint."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from striq.errors import CheckpointError, one_line
from striq.model.blank import BlankWeights
from striq.scoring.checkpoint import find_checkpoint, read_checkpoint
from striq.scoring.devices import AUTO, pick_device
from striq.scoring.engine import AUTO_ENGINE
from striq.scoring.scorer import StriqScorer
from striq.scoring.scores import Scores


def load_scorer(
    path: str | Path | None = None, device: str = AUTO, *, precision: str = "float32", engine: str = AUTO_ENGINE
) -> StriqScorer:
    """Return a scorer ready to use.

    Args:
        path: As for :func:`striq.scoring.checkpoint.find_checkpoint`.
        device: ``"auto"`` (CUDA, then MPS, then CPU), or a device of PyTorch.
        precision: Of the encoder on a CPU or a CUDA device: ``"float32"``; ``"mixed"``, which moves Q by less than
            0.001 (measured); ``"bfloat16"``, by less than 0.003; ``"float16"``, on CUDA only, by less than 0.001; or
            ``"auto"``: float16 on CUDA, mixed where the processor computes in bfloat16, else float32.
        engine: Name of an engine, or ``"auto"`` for the fastest on the device.

    Raises:
        CheckpointError: If there is no readable checkpoint, or what it states is not possible.
        StriqError: If the device does not support the precision or the engine.
    """
    with BlankWeights():
        scorer = StriqScorer(["unset"])
    file = find_checkpoint(path)
    state = read_checkpoint(file)
    try:
        scorer.load_state_dict(state)
    except CheckpointError as error:
        msg = f"{file}: {error}"
        raise CheckpointError(msg) from error
    except (RuntimeError, TypeError, ValueError, KeyError, AttributeError) as error:
        msg = f"{file}: This model cannot be used: {one_line(error)} Give a model.pt written by 'striq train'."
        raise CheckpointError(msg) from error
    scorer.eval().to(pick_device(device))
    scorer.use_engine(engine, precision=precision)
    return scorer


def score(
    frames: Any,
    plane: str = AUTO,
    *,
    model: str | Path | None = None,
    threshold: float | None = None,
    device: str = AUTO,
    axes: str | None = None,
    value_range: tuple[float, float] | None = None,
) -> Scores:
    """Score a file, a folder, arrays or pictures in one call; the model stays loaded for the next call.

    Args:
        frames: As for :meth:`striq.scoring.scorer.StriqScorer.score`.
        plane: Likewise.
        model: As for :func:`striq.scoring.checkpoint.find_checkpoint`; the shipped model by default.
        threshold: Quality that an accepted frame exceeds; the model's own by default.
        device: As for :func:`load_scorer`.
        axes: As for :meth:`striq.scoring.scorer.StriqScorer.score`.
        value_range: Likewise.

    Raises:
        StriqError: If there is no such model, it does not know the plane, or nothing can be scored.
    """
    file = find_checkpoint(model)
    found = file.stat()
    scorer = _kept_scorer(file, str(pick_device(device)), (found.st_mtime_ns, found.st_size))
    return scorer.score(frames, plane, threshold=threshold, axes=axes, value_range=value_range)


@functools.lru_cache(maxsize=1)
def _kept_scorer(file: Path, device: str, version: tuple[int, int]) -> StriqScorer:
    del version  # a file that was replaced is loaded again
    return load_scorer(file, device)
