"""Client of ``striq.service``: starts the process, sends commands and collects answers without waiting."""

from __future__ import annotations

import json
import logging
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from slicer.i18n import tr as _

PROTOCOL = 1  # of striq.service.server
ENDING_SECONDS = 0.5  # a worker that does not end by itself is killed


class WorkerError(RuntimeError):
    """The scoring process could not start, or ended on its own."""


class WorkerClient:
    """One scoring process with its model loaded, for stored cines and live streams alike.

    The process is started by ``subprocess`` with pipes: ``slicer.util.launchConsoleProcess`` has no input, which a
    worker that stays for many commands needs. A thread reads, so ``poll`` never blocks; all else is the main thread.
    """

    def __init__(self, arguments=None):
        self._arguments = arguments or [shutil.which("PythonSlicer") or sys.executable, "-m", "striq.service"]
        self._process = None
        self._answers = queue.SimpleQueue()
        self._mailboxes = {}  # answers by number of the command, for those who still want them
        self._lastId = 0
        self._log = None

    def isRunning(self):
        """Return whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self):
        """Start the process unless it runs already."""
        if self.isRunning():
            return
        self.stop()  # what an earlier process left
        self._answers, self._mailboxes = queue.SimpleQueue(), {}
        self._log = tempfile.TemporaryFile(mode="a+b")  # noqa: SIM115 (closed by ``stop``)
        try:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                encoding="utf-8",
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise WorkerError(
                _("The scoring process cannot start: {error}. Reinstall the extension.").format(error=error)
            ) from error
        self._reader = threading.Thread(target=_read, args=(self._process.stdout, self._answers), daemon=True)
        self._reader.start()

    def send(self, command, **details):
        """Send a command and return its number; ``poll`` with it gives the answers."""
        self._lastId += 1
        line = json.dumps({"command": command, "id": self._lastId, **details})
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise WorkerError(self._obituary()) from error
        self._mailboxes[self._lastId] = []
        return self._lastId

    def poll(self, *numbers):
        """Return the answers to some commands that have arrived; those to others wait for whoever asked.

        Raises:
            WorkerError: If the process has ended on its own.
        """
        while not self._answers.empty():
            answer = self._answers.get()
            if answer is None:
                raise WorkerError(self._obituary())
            _checkProtocol(answer)
            self._mailboxes.get(answer.get("id"), []).append(answer)
        found = []
        for number in numbers:
            found.extend(self._mailboxes.get(number, ()))
            if number in self._mailboxes:
                self._mailboxes[number] = []
        return found

    def forget(self, *numbers):
        """Drop the answers to commands that nobody waits for any more."""
        for number in numbers:
            self._mailboxes.pop(number, None)

    def lastWords(self):
        """Return what the process, or libraries in it, wrote beside its answers."""
        if self._log is None or self._log.closed:
            return ""
        self._log.seek(0)
        return self._log.read().decode("utf-8", errors="replace").strip()

    def _obituary(self):
        said = self.lastWords()
        logging.error("The scoring process ended. It said:\n%s", said)
        last = said.splitlines()[-1] if said else _("it said nothing")
        return _("The scoring process ended unexpectedly: {last}. See the application log for details.").format(
            last=last
        )

    def stop(self):
        """End the process; harmless if it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        _sendStop(process)
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reader.join()
        process.stdout.close()
        self._log.close()


def _checkProtocol(answer):
    if answer["event"] == "ready" and answer["protocol"] != PROTOCOL:
        raise WorkerError(
            _("The installed striq {version} speaks protocol {theirs}, this extension {ours}. Update both.").format(
                version=answer["version"], theirs=answer["protocol"], ours=PROTOCOL
            )
        )


def _sendStop(process):
    try:
        process.stdin.write(json.dumps({"command": "stop"}) + "\n")
        process.stdin.close()
    except OSError:
        logging.debug("The scoring process had ended before it was told to.")


def _read(lines, answers):
    for line in lines:
        answers.put(json.loads(line))
    answers.put(None)


class Scratch:
    """A folder for the pictures on their way to the worker, removed with its content."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="striq-", ignore_cleanup_errors=True)
        self.path = Path(self._folder.name)

    def file(self, name):
        """Return the path of a file in the folder."""
        return self.path / name

    def discard(self, path):
        """Remove a file; one still open elsewhere, as Windows has it, goes with the folder."""
        try:
            path.unlink()
        except OSError:
            logging.debug("%s is removed later.", path)

    def remove(self):
        """Remove the folder."""
        self._folder.cleanup()
