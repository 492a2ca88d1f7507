"""Features of CLIP's vision tower, from weights that the user has."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.baselines.protocol import PlaneFrames
from striq.errors import StriqError

MEAN, SPREAD = (0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)  # of the images that CLIP was trained on
BATCH_SIZE = 16


@torch.no_grad()
def clip_features(frames: PlaneFrames) -> Tensor:
    """Return the tokens of the last but one layer by location, shape ``(N, C, H, W)``.

    Raises:
        StriqError: If the package ``transformers`` or the weights are missing.
    """
    if frames.clip is None:
        msg = "No weights of CLIP are given. Give the folder of a downloaded model: --clip FOLDER."
        raise StriqError(msg)
    model = _load(frames.clip)
    size = int(model.config.image_size)
    parts: list[Tensor] = []
    for images in frames.images.split(BATCH_SIZE):
        resized = F.interpolate(images, (size, size), mode="bilinear", antialias=True).expand(-1, 3, -1, -1)
        pixels = (resized - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(SPREAD).view(3, 1, 1)
        tokens = model(pixel_values=pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        side = round(tokens.shape[1] ** 0.5)
        parts.append(tokens.transpose(1, 2).unflatten(2, (side, side)))
    return torch.cat(parts)


@lru_cache(maxsize=1)
def _load(folder: Path) -> Any:
    try:
        from transformers import CLIPVisionModel
        from transformers.utils import logging
    except ImportError as error:
        msg = "Features of CLIP need the package transformers. Install it: pip install 'striq[clip]'."
        raise StriqError(msg) from error
    logging.disable_progress_bar()
    try:
        return CLIPVisionModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    except (OSError, ValueError) as error:
        msg = (
            f"{folder}: holds no CLIP model ({error}). Expected config.json and model.safetensors, as downloaded from "
            "the publisher."
        )
        raise StriqError(msg) from error
