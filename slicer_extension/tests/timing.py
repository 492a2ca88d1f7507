"""Measure how long a user waits, on machines that may be slower or busier than the one in the manual."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

REFERENCE_SECONDS = 0.006  # of the reference work, on the processor of the figures in the manual
_WAITED = Path("/proc/thread-self/schedstat")  # Linux: nanoseconds on a processor and waiting for one


def spent(action: Callable[[], object]) -> float:
    """Return the processor time of an action, s."""
    started = time.process_time()
    action()
    return time.process_time() - started


def slowness() -> float:
    """Return how many times slower this processor is now than that of the manual's figures, at least 1."""
    return max(1.0, min(spent(_referenceWork) for _ in range(5)) / REFERENCE_SECONDS)


def clock() -> float:
    """Return wall-clock time minus the time that this thread waited for a free processor, s."""
    waited = int(_WAITED.read_text().split()[1]) / 1e9 if _WAITED.exists() else 0.0
    return time.monotonic() - waited


def _referenceWork() -> int:
    texts = {str(number): number for number in range(20_000)}
    return sum(len(text) * number for text, number in texts.items())
