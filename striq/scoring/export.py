"""A scorer as one file that runs without STRIQ: TorchScript, ONNX or an exported program of PyTorch.

One tensor in, ``image``, shape ``(B, 1, H, W)``; one out, ``pred``, shape ``(B, P)``; the anchors are inside.
"""

from __future__ import annotations

import copy
import io
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

import striq
from striq.atomic_files import write_bytes
from striq.errors import StriqError
from striq.model.network import concatenate, interleave
from striq.model.tracing import TracedNetwork
from striq.scoring.reference import ReferenceEngine
from striq.scoring.scorer import StriqScorer

INPUT, OUTPUT, FACTS = "image", "pred", "striq.json"
MISSING_ONNX = "ONNX needs further packages: pip install 'striq[onnx]'."
Network = Callable[[Tensor], Tensor]


class PlaneQuality(nn.Module):
    """The quality of frames as some of a scorer's planes, in the order given.

    Args:
        scorer: Fitted scorer; it is copied.
        planes: Names of the planes; all if empty.
        together: Score as all planes in one computation if all have the same number of anchors and no negative anchors:
            the program is as large as for one plane and takes P times the memory.

    Raises:
        StriqError: If the scorer does not know a plane or has no anchors of it.
    """

    def __init__(self, scorer: StriqScorer, planes: Sequence[str] = (), *, together: bool = False) -> None:
        super().__init__()
        self.planes = list(planes) or scorer.planes
        self.indices = [scorer.plane_index(plane) for plane in self.planes]
        empty = [scorer.planes[i] for i in self.indices if not scorer.bank.sources[i]]
        if empty:
            msg = f"This model has no anchors for {', '.join(empty)}. Train it first, or export other planes."
            raise StriqError(msg)
        self.scorer = copy.deepcopy(scorer).cpu().eval()
        self.scorer.use_engine(ReferenceEngine.name)
        self.engine = cast("ReferenceEngine", self.scorer.engine)
        for index in set(range(len(scorer.planes))) - set(self.indices):
            self.scorer.bank.clear(index)  # not scored, and not in the file
        for index, sources in enumerate(self.scorer.negatives.sources):
            if index not in self.indices or not sources:
                self.scorer.negatives.clear(index)
        counts = {len(scorer.bank.sources[i]) for i in self.indices}
        self.together = together and len(counts) == 1 and not any(scorer.negatives.sources[i] for i in self.indices)

    def forward(self, image: Tensor) -> Tensor:
        """Return the quality of each frame as each plane, shape ``(B, P)``.

        Args:
            image: Prepared frames, zero outside the fan, shape ``(B, 1, H, W)``.
        """
        return self._as_all(image) if self.together else self.scorer(image)[:, self.indices]

    def _as_all(self, image: Tensor) -> Tensor:
        scorer, count = self.scorer, len(self.scorer.bank.sources[self.indices[0]])
        frozen, frame_terms = scorer.embed(image), scorer.frame_terms(image)
        planes = torch.tensor(self.indices, device=image.device)
        # All planes for each frame in turn. The number of frames is not read: a traced network would store it.
        planes_of_frames = (planes + torch.zeros_like(image[:, 0, 0, :1], dtype=torch.long)).flatten()
        as_planes = interleave([scorer.seen_as_plane(frozen, i) for i in self.indices])
        seen = scorer.model.describe(as_planes, planes_of_frames)
        features = concatenate([scorer.bank.features(i) for i in self.indices])
        anchors = scorer.model.describe(features, planes.repeat_interleave(count))
        stability = zip(*(scorer.bank.stability(i) for i in self.indices), strict=True)
        anchors = replace(anchors, stability=tuple(torch.cat(maps) for maps in stability))
        pairs = self.engine.compare(seen.repeat_each(count), anchors.tile(image.shape[0]))
        of_planes = pairs.terms.unflatten(0, (-1, len(planes), count)).unbind(1)
        quality = [scorer.quality_of(t, frame_terms, i)[2] for t, i in zip(of_planes, self.indices, strict=True)]
        return torch.stack(quality, dim=1)


@dataclass(frozen=True)
class ExportFormat:
    """A kind of file.

    Attributes:
        suffix: Of its files.
        tolerance: Largest difference from the scorer's own score.
        together: As in :class:`PlaneQuality`; for formats whose writing time grows with the size of the program.
        write: Makes a file from network, example and facts.
        read: Makes something to run from a file.
    """

    suffix: str
    tolerance: float
    write: Callable[[nn.Module, Tensor, Mapping[str, Any]], bytes]
    read: Callable[[bytes], Network]
    together: bool = False


@dataclass(frozen=True)
class Exported:
    """The file written, its planes, and the largest difference of its scores from the scorer's own."""

    path: Path
    planes: list[str]
    difference: float


def export_scorer(scorer: StriqScorer, path: str | Path, kind: str, planes: Sequence[str] = ()) -> Exported:
    """Write a scorer in another format, for the CPU, after checking that it gives the scorer's own scores.

    Args:
        scorer: Fitted scorer.
        path: File to write.
        kind: One of ``FORMATS``.
        planes: Names of the planes, in the order of the output; all if empty.

    Raises:
        StriqError: If a plane is unknown or has no anchors, a package is missing, or the scores differ.
    """
    chosen = FORMATS[kind]
    network = PlaneQuality(scorer, planes, together=chosen.together)
    generator = torch.Generator().manual_seed(0)
    example = 0.05 + 0.9 * torch.rand(2, 1, *scorer.config.encoder.size, generator=generator)
    example[..., : example.shape[-1] // 8] = 0.0  # outside the fan
    content = chosen.write(network, example, _facts(network))
    with torch.no_grad():
        # Three frames, while the example has two: a batch size stored in the program would show here.
        frames = torch.cat([example, example.flip(-1)[:1]])
        difference = (chosen.read(content)(frames) - network(frames)).abs().max().item()
    if not difference <= chosen.tolerance:
        msg = (
            f"{path}: not written, its scores would differ from the model's by {difference:.1g} where "
            f"{chosen.tolerance:g} is allowed. Please report this model and the versions of torch and ONNX."
        )
        raise StriqError(msg)
    return Exported(write_bytes(path, content), network.planes, difference)


def _facts(network: PlaneQuality) -> dict[str, Any]:
    config = network.scorer.config
    return {
        "striq": striq.__version__,
        "planes": network.planes,
        "size": list(config.encoder.size),
        "threshold": config.quality.threshold,
    }


def _write_torchscript(network: nn.Module, example: Tensor, facts: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    traced = TracedNetwork(network, example).network
    torch.jit.save(cast("torch.jit.ScriptModule", traced), buffer, _extra_files={FACTS: json.dumps(facts)})
    return buffer.getvalue()


def _read_torchscript(content: bytes) -> Network:
    return torch.jit.load(io.BytesIO(content), map_location="cpu")


def _as_program(network: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    with torch.no_grad():
        return torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))


def _write_program(network: nn.Module, example: Tensor, facts: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(_as_program(network, example), buffer, extra_files={FACTS: json.dumps(facts)})
    return buffer.getvalue()


def _read_program(content: bytes) -> Network:
    return torch.export.load(io.BytesIO(content)).module()


def _write_onnx(network: nn.Module, example: Tensor, facts: Mapping[str, Any]) -> bytes:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # otherwise it warns that torchvision is missing
    try:
        from onnxscript import optimizer

        program = torch.onnx.export(
            _as_program(network, example),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamo=True,
            external_data=False,
            verbose=False,
            optimize=False,  # its patterns take any constant below 1e-8 for 0, so x / sqrt(y + 1e-12) becomes NaN
        )
    except ImportError as error:
        raise StriqError(MISSING_ONNX) from error
    written = cast("torch.onnx.ONNXProgram", program)
    optimizer.fold_constants(written.model)  # otherwise onnxruntime warns when it loads the file
    optimizer.remove_unused_nodes(written.model)
    model = written.model_proto
    model.metadata_props.add(key=FACTS, value=json.dumps(facts))
    return model.SerializeToString()


def _read_onnx(content: bytes) -> Network:
    try:
        import onnxruntime
    except ImportError as error:
        raise StriqError(MISSING_ONNX) from error
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda image: torch.from_numpy(session.run([OUTPUT], {INPUT: image.numpy()})[0])


FORMATS = {
    "torchscript": ExportFormat(".ts", 1e-5, _write_torchscript, _read_torchscript),
    "onnx": ExportFormat(".onnx", 1e-4, _write_onnx, _read_onnx, together=True),
    "torch-export": ExportFormat(".pt2", 1e-5, _write_program, _read_program),
}
