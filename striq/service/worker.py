"""The worker of the scoring process: carries out commands one after the other and sends their answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.atomic_files import replacing
from striq.data.readers import open_cine
from striq.errors import StriqError, unexpected
from striq.scoring.frame_maps import resample_onto_frame
from striq.scoring.results import FrameResult
from striq.scoring.threads import use_threads
from striq.service import answers
from striq.service.cines import on_picture, open_requested, picture_shape
from striq.service.loaded_model import CPU, LoadedModel, Notify
from striq.service.pictures import find_files, write_pictures
from striq.service.reports import write_reports
from striq.service.requests import Explain, Find, Id, Load, Read, Report, Score, Work

Send = Callable[[answers.Answer], None]
FORESEEN = (StriqError, OSError, ValueError, IndexError)  # their messages tell the user what is wrong


class Worker:
    """Carries out commands with the model that was loaded last.

    Args:
        send: Takes each answer.
        interrupted: Returns whether the running score is to end early.
    """

    def __init__(self, send: Send, interrupted: Callable[[], bool]) -> None:
        self._send, self._interrupted = send, interrupted
        self._model: LoadedModel | None = None

    def handle(self, request: Work) -> None:
        """Carry out a command. A command that cannot be carried out is answered with an error."""
        try:
            use_threads()  # again for each command, because the programs beside this one change
            if isinstance(request, Load):
                self._load(request)
            elif isinstance(request, Score):
                self._score(request)
            elif isinstance(request, Explain):
                self._explain(request)
            elif isinstance(request, Find):
                self._send(answers.found(request.id, find_files(request.folder)))
            elif isinstance(request, Read):
                self._read(request)
            elif isinstance(request, Report):
                self._send(answers.reported(request.id, write_reports(request)))
            else:
                self._send(answers.error(request.id, request.reason))
        except Exception as error:  # no command may end the process
            self._send(answers.error(request.id, str(error) if isinstance(error, FORESEEN) else unexpected(error)))

    def _load(self, request: Load) -> None:
        self._model = None  # frees its memory; and after a failure the model before must not go on scoring
        model = LoadedModel.load(request, self._notify(request.id))
        identity = model.identity()
        self._model = model
        self._send(answers.loaded(request.id, model.checkpoint, identity, model.scorer.planes, model.device))

    def _score(self, request: Score) -> None:
        model, cine = self._loaded(), open_requested(request)
        scores = model.score(cine, request.plane, request.threshold, self._notify(request.id))
        results: list[FrameResult] = []
        cancelled, started = False, time.perf_counter()
        with closing(scores):
            for _ in range(len(cine)):
                cancelled = self._interrupted()
                if cancelled:
                    break
                result = next(scores)
                if request.frames and result.score is not None:
                    result = replace(result, score=on_picture(result.score, cine.crop))
                results.append(result)
                self._send(answers.frame(request.id, results[-1], _ms_since(started) / len(results)))
        end = answers.finished(request.id, results, total=len(cine), cancelled=cancelled, device=model.device)
        self._send(end)

    def _explain(self, request: Explain) -> None:
        started = time.perf_counter()
        model, folder = self._loaded(), Path(request.folder)
        cine = open_requested(request)
        frame = cine[request.index]
        explanation = model.explain(frame, request.plane, self._notify(request.id))
        score, picture, shape = explanation.score, model.anchor_picture(explanation.score), frame.pixels.shape
        if request.frames and cine.crop is not None:
            score, shape = on_picture(score, cine.crop), picture_shape(request)
        maps = {
            name: _save(folder / f"{name}.npy", resample_onto_frame(values, score.crop, shape))
            for name, values in (("residual", explanation.residual), ("missing", explanation.missing))
        }
        anchor_picture = None if picture is None else _save(folder / "anchor.npy", picture)
        ms = _ms_since(started)
        self._send(answers.explained(request.id, score, ms, maps=maps, anchor_picture=anchor_picture))

    def _read(self, request: Read) -> None:
        cine = open_cine(request.file)
        path = write_pictures(cine, request)
        self._send(answers.read(request.id, cine, path))

    def _loaded(self) -> LoadedModel:
        if self._model is None:
            msg = "No model is loaded. Send the command 'load' first."
            raise StriqError(msg)
        return self._model

    def _notify(self, number: Id) -> Notify:
        def send(reason: str) -> None:
            self._send(answers.notice(number, f"{reason}: scoring continues on the CPU, more slowly.", device=CPU))

        return send


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def _save(path: Path, values: NDArray[Any]) -> Path:
    with replacing(path) as stream:
        np.save(stream, values)
    return path
