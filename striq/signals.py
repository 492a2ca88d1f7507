"""Orderly end of a program on signals, at once even while a thread reads a slow file."""

from __future__ import annotations

import os
import signal
import sys
import threading

ENDING_SIGNALS = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
SIGNAL_STATUS = 128  # plus the number of the signal: the exit status, as shells report it
READER_NAME = "striq-reader"  # of threads that may be left behind

_ending = threading.Event()


def end_on_signals() -> None:
    """Make SIGTERM and SIGHUP raise ``SystemExit``, so that files are closed and results so far are kept.

    Ctrl+C raises ``KeyboardInterrupt`` as before. A signal that the program was started to ignore, as ``nohup`` does
    with SIGHUP, stays ignored.
    """
    _ending.clear()
    for name in ENDING_SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def is_ending() -> bool:
    """Return whether a signal has asked the program to end."""
    return _ending.is_set()


def exit_past_readers(status: int) -> None:
    """End the process with a status if a thread is still reading; the interpreter would wait for it, or crash."""
    if is_ending() and any(thread.name == READER_NAME for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _end(number: int, frame: object) -> None:
    del frame
    _ending.set()
    sys.exit(SIGNAL_STATUS + number)


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    _ending.set()
    raise KeyboardInterrupt
