"""Orderly end of a program on signals."""

from __future__ import annotations

import signal
import sys

ENDING_SIGNALS = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
SIGNAL_STATUS = 128  # plus the number of the signal: the exit status, as shells report it


def end_on_signals() -> None:
    """Make SIGTERM and SIGHUP raise ``SystemExit``, so that files are closed and results so far are kept.

    A signal that the program was started to ignore, as ``nohup`` does with SIGHUP, stays ignored.
    """
    for name in ENDING_SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, frame: object) -> None:
    del frame
    sys.exit(SIGNAL_STATUS + number)
