"""How threads of OpenMP wait for one another; set before PyTorch, and with it OpenMP, is loaded."""

from __future__ import annotations

import os

VARIABLE = "GOMP_SPINCOUNT"
TURNS = "1000"  # of the loop in which a thread waits, microseconds, before it sleeps


def limit_spinning() -> None:
    """Let threads that wait sleep soon, so that they leave their core to other programs.

    By default they spin for milliseconds at every barrier. Where other programs use the cores, a spinning thread keeps
    the thread that it waits for off its core: a frame takes three times as long. On free cores a frame takes about as
    long either way (docs/decisions/0005-cpu-engine.md). A value that the user has set stays.
    """
    os.environ.setdefault(VARIABLE, TURNS)
