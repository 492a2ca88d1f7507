"""Orderly end of a program on signals, at once even while modules are loaded or a thread reads a slow file."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

ENDING_SIGNALS = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
SIGNAL_STATUS = 128  # plus the number of the signal: the exit status, as shells report it
READER_NAME = "striq-reader"  # of threads that may be left behind

_ending = threading.Event()
_last_calls: list[Callable[[], object]] = []


@contextmanager
def ending_at_once() -> Generator[None, None, None]:
    """Let Ctrl+C end the process without unwinding while modules are loaded, before there is anything to keep.

    Loading PyTorch takes a second or more without a moment at which Python could raise ``KeyboardInterrupt``. The
    other signals end the process at once anyway.
    """
    with _handlers({"SIGINT": (signal.default_int_handler, signal.SIG_DFL)}):
        yield


@contextmanager
def ending_on_signals() -> Generator[None, None, None]:
    """Make SIGTERM and SIGHUP raise ``SystemExit``, so that files are closed and results so far are kept.

    Ctrl+C raises ``KeyboardInterrupt`` as before. A signal that the program was started to ignore, as ``nohup`` does
    with SIGHUP, stays ignored, and one that the calling program handles stays with it. Afterwards all are as before.
    """
    _ending.clear()
    handlers = dict.fromkeys(ENDING_SIGNALS, (signal.SIG_DFL, _end))
    with _handlers({**handlers, "SIGINT": (signal.default_int_handler, _interrupt)}):
        yield


def is_ending() -> bool:
    """Return whether a signal has asked the program to end."""
    return _ending.is_set()


def call_at_end(function: Callable[[], object]) -> None:
    """Name a function that :func:`exit_if_ending` calls; it must not wait."""
    _last_calls.append(function)


def exit_if_ending(status: int) -> None:
    """End the process with a status if a signal has asked for it, without the end of the interpreter.

    The interpreter would wait for a thread that still reads, and takes a second to release PyTorch.
    """
    if is_ending():
        for function in _last_calls:
            function()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@contextmanager
def _handlers(wanted: dict[str, tuple[Any, Any]]) -> Generator[None, None, None]:
    """Replace the handlers of signals where they are as named, each a pair (present, new), and restore them.

    Only the main thread may set handlers; in others nothing is replaced.
    """
    replaced: dict[int, Any] = {}
    try:
        for name, (present, new) in wanted.items():
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is present and _in_main_thread():
                signal.signal(number, new)
                replaced[number] = present
        yield
    finally:
        for number, present in replaced.items():
            signal.signal(number, present)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _end(number: int, frame: object) -> None:
    del frame
    _ending.set()
    sys.exit(SIGNAL_STATUS + number)


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    _ending.set()
    raise KeyboardInterrupt
