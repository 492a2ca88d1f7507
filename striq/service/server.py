"""A scoring process that a program with a window talks to: commands in, results out, one JSON object per line.

Start it with ``python -m striq.service``. It keeps its model loaded between commands, and ends when its input ends.

Commands (``id`` is returned with every answer):
    ``{"command": "load", "id": 1, "model": null, "device": "auto"}``
    ``{"command": "score", "id": 2, "frames": "frames.npy", "plane": "auto", "times_s": null, "spacing_mm": null}``
    ``{"command": "score", "id": 2, "file": "cine.dcm", "plane": "auto", "threshold": null}``
    ``{"command": "explain", "id": 3, "frames": "frames.npy", "index": 5, "plane": "auto", "folder": "maps"}``
    ``{"command": "cancel"}`` ends a running score early; ``{"command": "stop"}`` ends the process as well, while the
    end of the input lets the work begun finish first.

Answers: ``ready`` once, then ``loaded``, ``frame`` (one per frame), ``finished``, ``explained``, ``notice``, ``error``.
``frames`` is a NumPy file of pictures as stored, shape ``(N, H, W)`` or ``(N, H, W, C)``; ``file`` is any file that
``striq score`` reads, and scores the same.
"""

from __future__ import annotations

import json
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

import striq
from striq.anchors.thumbnails import find_thumbnail
from striq.atomic_files import replacing
from striq.data.cine import Cine
from striq.data.fan import bounding_box, fan_mask
from striq.data.readers import open_cine
from striq.data.readers.intensity import to_unit_gray
from striq.errors import ReadError, StriqError
from striq.reporting.identity import ModelIdentity
from striq.reporting.normalized_terms import term_shares
from striq.reporting.summary import summarize
from striq.scoring.checkpoint import find_checkpoint
from striq.scoring.cine_scoring import score_cine
from striq.scoring.devices import AUTO, check_device
from striq.scoring.loading import load_scorer
from striq.scoring.results import FrameResult
from striq.scoring.scorer import BATCH_SIZE, StriqScorer
from striq.types import Frame, FrameScore

PROTOCOL = 1  # raised when a command or an answer changes its meaning
REFUSED = (StriqError, OSError, ValueError, KeyError, IndexError)  # what a wrong command or file can raise
Send = Callable[[dict[str, Any]], None]


def open_frames(path: str | Path, command: Mapping[str, Any]) -> Cine:
    """Return the cine of a NumPy file of pictures, read one at a time.

    Args:
        path: File of shape ``(N, H, W)`` or ``(N, H, W, C)``.
        command: May hold ``source`` (a name for messages), ``times_s`` and ``spacing_mm`` (row, column).

    Raises:
        ReadError: If the array has another shape.
    """
    stored = np.load(path, mmap_mode="r", allow_pickle=False)
    if stored.ndim not in (3, 4) or 0 in stored.shape:
        raise ReadError(
            what="This is not a stack of pictures",
            where=path,
            expected="an array of shape (N, H, W) or (N, H, W, C)",
            got=f"shape {stored.shape}",
            remedy="Put the number of frames first.",
        )
    spacing = command.get("spacing_mm")
    return Cine(
        str(command.get("source") or Path(path).name),
        len(stored),
        lambda index: to_unit_gray(np.array(stored[index])),
        spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        times_s=command.get("times_s"),
    )


def commanded_cine(command: Mapping[str, Any]) -> Cine:
    """Return the cine that a command names: the one of ``file``, else of ``frames``.

    Raises:
        ReadError: If it cannot be read.
        KeyError: If the command names neither.
    """
    return open_cine(command["file"]) if command.get("file") else open_frames(command["frames"], command)


class Inbox:
    """Commands as they arrive; a thread reads them, so that a cancel is seen while frames are scored.

    Args:
        lines: Lines of JSON.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._arrived: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._waiting: list[dict[str, Any]] = []
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def _read(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line.strip():
                self._arrived.put(_command(line))
        self._arrived.put({"command": "end"})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            command = self._waiting.pop(0) if self._waiting else self._arrived.get()
            if command["command"] in ("stop", "end"):
                return
            if command["command"] != "cancel":  # a late cancel has nothing left to end
                yield command

    def interrupted(self) -> bool:
        """Return whether a cancel or a stop has arrived; the cancel is used up."""
        while not self._arrived.empty():
            self._waiting.append(self._arrived.get())
        cancelled = any(command["command"] == "cancel" for command in self._waiting)
        self._waiting = [command for command in self._waiting if command["command"] != "cancel"]
        return cancelled or any(command["command"] == "stop" for command in self._waiting)


def _command(line: str) -> dict[str, Any]:
    try:
        command = json.loads(line)
    except json.JSONDecodeError as error:
        return {"command": "unreadable", "reason": f"{line.strip()[:80]!r} is not JSON ({error})."}
    if not isinstance(command, dict) or not isinstance(command.get("command"), str):
        return {"command": "unreadable", "reason": f"{line.strip()[:80]!r} is not an object with a 'command'."}
    return command


class Worker:
    """Carries commands out, one after the other.

    Args:
        send: Takes each answer.
        interrupted: Says whether the running score is to end early.
    """

    def __init__(self, send: Send, interrupted: Callable[[], bool]) -> None:
        self._send, self._interrupted = send, interrupted
        self._scorer: StriqScorer | None = None
        self._checkpoint = Path()

    def handle(self, command: Mapping[str, Any]) -> None:
        """Carry out one command; what it did wrong is answered, not raised."""
        name, mark = command["command"], command.get("id")
        actions = {"load": self._load, "score": self._score, "explain": self._explain}
        try:
            if name not in actions:
                reason = command.get("reason", f"The command {name!r} is unknown.")
                msg = f"{reason} Expected one of: {', '.join(actions)}, cancel, stop."
                raise ValueError(msg)
            actions[name](command)
        except KeyError as error:
            self._send({"event": "error", "id": mark, "text": f"The command {name!r} needs {error}."})
        except REFUSED as error:
            self._send({"event": "error", "id": mark, "text": str(error)})

    def _load(self, command: Mapping[str, Any]) -> None:
        given = command.get("model") or None
        self._scorer = None  # after a failure the model before must not go on unnoticed
        self._scorer = self._load_falling_back(given, check_device(command.get("device", AUTO)), command)
        self._checkpoint = find_checkpoint(given)
        identity = ModelIdentity.of(self._checkpoint, self._scorer.config.quality.threshold)
        answer = {
            "event": "loaded",
            "id": command.get("id"),
            "model": str(self._checkpoint),
            "sha256": identity.sha256,
            "planes": self._scorer.planes,
            "threshold": identity.threshold,
            "device": self._scorer.device.type,
            "version": striq.__version__,
            "about": {"name": identity.name, "version": identity.version},
        }
        self._send(answer)

    def _load_falling_back(self, model: str | None, device: str, command: Mapping[str, Any]) -> StriqScorer:
        """Return the scorer, on the CPU when it does not fit into the accelerator's memory."""
        try:
            return load_scorer(model, device)
        except RuntimeError as error:
            if not _is_out_of_memory(error) or device == "cpu":
                raise
        self._notice("The model does not fit into the memory of the graphics card", command)
        return load_scorer(model, "cpu")

    def _notice(self, reason: str, command: Mapping[str, Any]) -> None:
        text = f"{reason}: the work goes on with the CPU, more slowly."
        self._send({"event": "notice", "id": command.get("id"), "text": text, "device": "cpu"})

    def _ready_scorer(self) -> StriqScorer:
        if self._scorer is None:
            msg = "No model is loaded. Send the command 'load' first."
            raise StriqError(msg)
        return self._scorer

    def _score(self, command: Mapping[str, Any]) -> None:
        scorer, plane = self._ready_scorer(), command.get("plane", AUTO)
        if plane != AUTO:
            scorer.plane_index(plane)
        cine, threshold = commanded_cine(command), command.get("threshold")
        results: list[FrameResult] = []
        cancelled = False
        for start in range(0, len(cine), BATCH_SIZE):
            cancelled = self._interrupted()
            if cancelled:
                break
            started = time.perf_counter()
            part = _part(cine, start)
            scored = self._falling_back(lambda part=part: _results(scorer, part, plane, threshold), command)
            each_ms = (time.perf_counter() - started) * 1000 / len(part)
            for result in (_moved(result, start) for result in scored):
                results.append(result)
                self._send(_frame_answer(scorer, result, cine, command, each_ms))
        summary = summarize(results)
        end = {"event": "finished", "id": command.get("id"), "cancelled": cancelled, "device": scorer.device.type}
        counts = {"scored": summary.num_scored, "failed": len(results) - summary.num_scored, "total": len(cine)}
        self._send({**end, **counts, "summary": asdict(summary)})

    def _falling_back(self, work: Callable[[], Any], command: Mapping[str, Any]) -> Any:
        """Return the result of the work, done again on the CPU when the accelerator's memory runs out."""
        try:
            return work()
        except RuntimeError as error:
            scorer = self._ready_scorer()
            if not _is_out_of_memory(error) or scorer.device.type == "cpu":
                raise
            reason = f"The memory of {scorer.device.type.upper()} ran out"
        scorer.to("cpu")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._notice(reason, command)
        return work()

    def _explain(self, command: Mapping[str, Any]) -> None:
        scorer, index = self._ready_scorer(), int(command["index"])
        cine, folder = commanded_cine(command), Path(command["folder"])
        frame, plane = cine[index], command.get("plane", AUTO)
        explanation = self._falling_back(lambda: scorer.explain(frame, plane), command)
        box = _box(frame)
        residual = _on_frame(explanation.residual, box, frame.pixels.shape)
        answer = {
            "event": "explained",
            "id": command.get("id"),
            **_score_answer(scorer, explanation.score),
            "box": box,
            "residual": str(_save(folder / "residual.npy", residual)),
            "anchor_picture": None,
        }
        picture = anchor_picture(self._checkpoint, scorer, explanation.score)
        if picture is not None:
            answer["anchor_picture"] = str(_save(folder / "anchor.npy", picture))
        self._send(answer)


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error)  # MPS has no class for this


def _part(cine: Cine, start: int) -> Cine:
    """Return the frames of one batch as a cine of their own."""
    size = min(BATCH_SIZE, len(cine) - start)
    return Cine(cine.source, size, lambda index: cine[start + index].pixels, spacing_mm=cine.spacing_mm)


def _results(scorer: StriqScorer, part: Cine, plane: str, threshold: float | None) -> list[FrameResult]:
    return list(score_cine(scorer, part, part.source, plane=plane, threshold=threshold))


def _moved(result: FrameResult, start: int) -> FrameResult:
    """Return a result of a part with the frame's index in the whole cine."""
    index = start + cast("int", result.index)
    return replace(result, index=index, score=None if result.score is None else replace(result.score, index=index))


def _frame_answer(
    scorer: StriqScorer, result: FrameResult, cine: Cine, command: Mapping[str, Any], each_ms: float
) -> dict[str, Any]:
    index = cast("int", result.index)
    answer: dict[str, Any] = {"event": "frame", "id": command.get("id"), "index": index, "ms": round(each_ms, 3)}
    if result.score is None:
        return {**answer, "error": result.error}
    time_s = None if cine.times_s is None else cine.times_s[index]
    answer.update(_score_answer(scorer, replace(result.score, time_s=time_s)))
    if command.get("boxes", True):
        answer["box"] = _box(cine[index])
    return answer


def _score_answer(scorer: StriqScorer, score: FrameScore) -> dict[str, Any]:
    """Return a score in JSON's own types; what is not finite becomes ``None``.

    Convention:
        - ``goodness`` holds each term on the scale of Q: 1 is the best seen in training, 0 the worst.
    """
    plain = asdict(score)
    plain["transform"] = score.transform.tolist()
    del plain["source"]
    plain["goodness"] = {share.name: share.goodness for share in term_shares(score)}
    return {key: _finite(value) for key, value in plain.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _box(frame: Frame) -> list[int]:
    """Return the part of the frame that the encoder sees: ``transform`` and residual live in this box."""
    return list(bounding_box(fan_mask(frame.pixels)))


def _on_frame(residual: NDArray[np.float32], box: list[int], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the residual on the pixels of the frame; NaN where there is none."""
    top, left, bottom, right = box
    cells = torch.from_numpy(residual)[None, None]
    known = torch.isfinite(cells).float()
    size = (bottom - top, right - left)
    weight = F.interpolate(known, size, mode="bilinear")
    value = F.interpolate(torch.nan_to_num(cells), size, mode="bilinear") / weight.clamp(min=1e-6)
    whole = np.full(shape, np.nan, np.float32)
    whole[top:bottom, left:right] = torch.where(weight > 0.5, value, torch.nan)[0, 0].numpy()
    return whole


def anchor_picture(checkpoint: Path, scorer: StriqScorer, score: FrameScore) -> NDArray[np.uint8] | None:
    """Return the picture of the nearest anchor, cropped to its fan, if the model came with one."""
    return find_thumbnail(checkpoint, score.scored_plane, score.anchor_number)


def _save(path: Path, values: NDArray) -> Path:
    with replacing(path) as stream:
        np.save(stream, values)
    return path


def serve(lines: Iterable[str], output: IO[str]) -> None:
    """Answer commands until they end.

    Args:
        lines: Lines of JSON, one command each.
        output: Where answers go, one line each.
    """

    def send(answer: dict[str, Any]) -> None:
        output.write(json.dumps(answer, allow_nan=False) + "\n")
        output.flush()

    inbox = Inbox(lines)
    worker = Worker(send, inbox.interrupted)
    send({"event": "ready", "protocol": PROTOCOL, "version": striq.__version__})
    for command in inbox:
        worker.handle(command)


def main() -> None:
    """Serve standard input; what libraries print goes to standard error, so it cannot break the protocol."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, output)


if __name__ == "__main__":
    main()
