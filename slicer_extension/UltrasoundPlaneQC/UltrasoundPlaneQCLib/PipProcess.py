"""pip in a process of its own, whose lines arrive without waiting and which can be stopped."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

PID = "pip runs as "
# PythonSlicer is a launcher: a stop must reach the process that it starts, so that one says its number.
PROGRAM = (
    f"import os, runpy; print({PID!r} + str(os.getpid()), flush=True); runpy.run_module('pip', run_name='__main__')"
)
COMMON = ("--disable-pip-version-check", "--no-input", "--no-color")
STOP_SECONDS = 2.0


class PipProcess:
    """One run of pip.

    Args:
        arguments: Arguments of ``pip install``.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        python = shutil.which("PythonSlicer") or sys.executable
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._last: list[str] = []
        self._pid = 0
        self._process = subprocess.Popen(
            [python, "-c", PROGRAM, "install", *COMMON, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.startswith(PID):
                    self._pid = int(line[len(PID) :])
                elif line.strip():
                    self._lines.put(line.strip())

    def poll(self) -> list[str]:
        """Return the lines that have arrived."""
        found: list[str] = []
        with suppress(queue.Empty):
            while True:
                found.append(self._lines.get_nowait())
        self._last = [*self._last, *found][-40:]
        return found

    def status(self) -> int | None:
        """Return the exit status once it has ended and all lines have been read, ``None`` before."""
        if self._reader.is_alive() or not self._lines.empty():
            return None
        return self._process.wait()

    def errors(self) -> list[str]:
        """Return the last lines that name errors; the last lines of all if none does."""
        return [line for line in self._last if "ERROR" in line] or self._last[-3:]

    def stop(self) -> None:
        """End it at once."""
        if self._pid and self._pid != self._process.pid:
            with suppress(OSError):
                os.kill(self._pid, signal.SIGTERM)
        with suppress(OSError):
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join(STOP_SECONDS)
