"""One run of scoring over the cines of a study, in small steps; a bad cine does not end it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from .Asking import Steps, ask, loadModel
from .CineContent import ContentHash
from .FileFrames import FileFrames
from .FrameSource import FrameSource, SourceError
from .Messages import FrameAnswer
from .ModelHolder import ModelHolder
from .Navigation import bestFrame
from .Options import ScoringOptions
from .Results import Results
from .Scoring import CANCELLED, FAILED, FINISHED, STEP_SECONDS, ScoringRun
from .Study import DONE, SCORING, WAITING, Cine, Study
from .Study import FAILED as CINE_FAILED
from .StudyFiles import Identity, StoredScores, findScores, writeScores
from .Thumbnails import SIDE, keepThumbnail
from .WorkerClient import Scratch, WorkerError

RUNNING = "running"
MAX_DEATHS = 3  # of the scoring process, one after another, before the run ends


class StudyRun:
    """Scores cines one after the other; those that have scores by the same model, for the same content, are skipped.

    Args:
        study: The cines.
        holder: The scoring process.
        options: Plane, model, device and threshold.
        keys: Cines to score; all by default.
    """

    def __init__(
        self, study: Study, holder: ModelHolder, options: ScoringOptions, keys: Sequence[str] | None = None
    ) -> None:
        self.study, self.holder, self.options = study, holder, options
        self.keys = [cine.key for cine in study.cines] if keys is None else list(keys)
        self.state, self.message = RUNNING, ""
        self.current: str | None = None
        self.run: ScoringRun | None = None
        self.reached = self.scored = self.skipped = self.failed = 0  # numbers of cines
        self._deaths = 0
        self._scoringSeconds = 0.0
        self._scratch = Scratch()
        self._steps = self._scoreAll()

    @property
    def isRunning(self) -> bool:
        """Whether there is work left."""
        return self.state == RUNNING

    @property
    def fraction(self) -> float:
        """Share of the work that is done."""
        part = self.run.done / self.run.total if self.run is not None and self.run.total else 0.0
        return (self.reached + part) / max(len(self.keys), 1)

    def secondsLeft(self) -> float | None:
        """Return the time left at the pace of the cines scored so far; ``None`` before the first."""
        if not self.scored:
            return None
        return self._scoringSeconds / self.scored * (len(self.keys) - self.reached)

    def advance(self) -> None:
        """Do one step without waiting."""
        if not self.isRunning:
            return
        if not self.study.isInScene:
            self._end(CANCELLED, _("The study was removed from the scene."))
            return
        try:
            next(self._steps)
        except StopIteration:
            self._end(FINISHED, "")
        except (SourceError, WorkerError, OSError) as error:
            self._end(FAILED, str(error))

    def cancel(self, reason: str = "") -> None:
        """End the run; the cines scored so far stay, the current one waits."""
        if self.isRunning:
            self._end(CANCELLED, reason)

    def _end(self, state: str, message: str) -> None:
        self._steps.close()
        self.state, self.message, self.current = state, message, None
        self._scratch.remove()

    def _scoreAll(self) -> Steps[None]:
        for key in self.keys:
            if key in self.study:
                yield from loadModel(self.holder, self.options.modelPath, self.options.device)
                yield from self._scoreOne(key)
            self.reached += 1
            yield

    def _scoreOne(self, key: str) -> Steps[None]:
        self.current = key
        self.study.setState(key, SCORING)
        started, state, message = time.monotonic(), WAITING, ""
        try:
            message = yield from self._score(key)
            state, self._deaths = DONE, 0
            self._scoringSeconds += time.monotonic() - started
        except WorkerError as error:
            state, message = CINE_FAILED, str(error)
            self._deaths += 1
            if self._deaths >= MAX_DEATHS:
                raise
        except Exception as error:  # a cine like no other must not take the others with it
            state, message = CINE_FAILED, str(error)
            if not isinstance(error, (SourceError, OSError)):
                logging.exception("%s was not scored.", self.study[key].name)
        finally:
            self.run = None
            if self.study.isInScene and key in self.study:
                self.study.setState(key, state, message)
            self.failed += state == CINE_FAILED

    def _score(self, key: str) -> Steps[str]:
        """Score one cine and return a notice; empty if there is none."""
        cine = self.study[key]
        identity = yield from self._identify(cine)
        if _isComplete(self.study.results(key), identity):
            self.skipped += 1
            return ""
        stored = findScores(cine.folder, identity) if cine.folder else None
        if stored is not None:
            results, notice = self._restore(cine, stored), ""
            self.skipped += 1
        else:
            source, read = yield from self._source(cine)
            results, answers = yield from self._scoreFrames(source)
            results.keepFacts(content=identity.content, plane=identity.plane, isComplete=True)
            notice = self._keepBeside(cine, identity, results, read, answers)
            self.scored += 1
        self.study.setResults(key, results)
        yield from self._keepThumbnail(cine, results)
        return notice or _failedFrames(results)

    def _identify(self, cine: Cine) -> Steps[Identity]:
        content = ContentHash(Path(cine.path) if cine.path else self.study.source(cine.key))
        while (checksum := content.advance(STEP_SECONDS)) is None:
            yield
        loaded = self.holder.loaded
        return Identity(checksum, loaded["sha256"] if loaded else "", self.options.plane)

    def _source(self, cine: Cine) -> Steps[tuple[FrameSource, dict[str, Any]]]:
        if not cine.path:
            return self.study.source(cine.key), {}
        read = yield from ask(self.holder, "read", file=cine.path, folder=str(self._scratch.path), count=0)
        kept = {name: read[name] for name in ("total", "times_s", "spacing_mm")}
        return FileFrames(cine.name, cine.path, kept), kept

    def _scoreFrames(self, source: FrameSource) -> Steps[tuple[Results, list[FrameAnswer]]]:
        run = self.run = ScoringRun(source, self.holder, Results.create(source), self.options)
        answers: list[FrameAnswer] = []
        isGood = False
        try:
            while run.isRunning:
                answers += run.advance()
                yield
            isGood = run.state == FINISHED and not all("error" in answer for answer in answers)
        finally:  # after a cancel as well, which closes the generator
            if not isGood:
                run.abandon(run.message)
                slicer.mrmlScene.RemoveNode(run.results.node)
        if not isGood:
            reason = str(answers[0].get("error", "")) if answers and run.state == FINISHED else ""
            raise SourceError(run.message or reason or _("Scoring ended early."))
        return run.results, answers

    def _restore(self, cine: Cine, stored: StoredScores) -> Results:
        """Return a table of scores that were kept beside the file."""
        results = Results.create(FileFrames(cine.name, cine.path, stored.read))
        results.setTerms(stored.terms)
        if self.options.threshold is not None:
            results.applyThreshold(self.options.threshold)
        results.store(stored.frames)
        results.keepFacts(**stored.facts)
        frames = self.study.frames(cine.key)
        if frames is not None:
            results.setInput(frames)
        return results

    def _keepBeside(
        self, cine: Cine, identity: Identity, results: Results, read: dict[str, Any], answers: list[FrameAnswer]
    ) -> str:
        """Keep the scores of a file in its folder; return why not, empty if they are kept or there is no folder."""
        if not cine.folder or self.holder.loaded is None:
            return ""
        ordered = sorted(answers, key=lambda answer: answer["index"])
        terms = self.holder.loaded["terms"]
        stored = StoredScores(identity, cine.name, results.facts(), terms, read, ordered)
        try:
            writeScores(cine.folder, stored)
        except (OSError, ValueError) as error:
            return _("The scores are in the scene only: {error}").format(error=error)
        return ""

    def _keepThumbnail(self, cine: Cine, results: Results) -> Steps[None]:
        frame = bestFrame(results)
        if frame is None:
            return
        try:
            if cine.path:
                folder = str(self._scratch.path)
                read = yield from ask(
                    self.holder, "read", file=cine.path, folder=folder, first=frame, count=1, max_side=SIDE
                )
                picture = np.load(read["pictures"])[0]
            else:
                picture = self.study.source(cine.key).frame(frame)
            keepThumbnail(results, frame, picture)
        except (SourceError, OSError) as error:
            logging.info("%s has no small picture: %s", cine.name, error)


def _isComplete(results: Results | None, identity: Identity) -> bool:
    """Return whether scores are of all frames, by the same model, for the same content and plane."""
    if results is None:
        return False
    facts = results.facts()
    known = Identity(facts.get("content", ""), facts.get("sha256", ""), facts.get("plane", ""))
    return bool(facts.get("isComplete")) and known == identity


def _failedFrames(results: Results) -> str:
    failed = sum(1 for error in results.column("error") if error)
    if not failed:
        return ""
    return _("{failed} of {total} frames were not scored").format(failed=failed, total=len(results))
