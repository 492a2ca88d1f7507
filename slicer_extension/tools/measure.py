"""Measure what a user waits for: ``measure.py CINE MODEL [DEVICE]``, on the panel of the tests.

A cine from the click on *Score* to its plot, and a stream of 25 images a second over loopback: images scored per
second, time from image to verdict, and how long the window was held up. Views are not drawn while it measures.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import slicer

from striq.data.readers import open_cine

TESTS = Path(__file__).parents[1] / "tests"
PORT, RATE, LIVE_SECONDS = 18977, 25, 20
HELD_UP_SECONDS = 0.05  # a window that does not react for longer is noticed


class Ticks:
    """A timer that notes how long the event loop was held up."""

    def __init__(self, action=lambda: None) -> None:
        import qt

        self.gaps, self._last, self._action = [], time.monotonic(), action
        self._timer = qt.QTimer()
        self._timer.setInterval(5)
        self._timer.connect("timeout()", self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.monotonic()
        self.gaps.append(now - self._last)
        self._last = now
        self._action()

    def stop(self) -> dict[str, float]:
        """Return the longest gap and the number of those that a user notices."""
        self._timer.stop()
        late = sum(gap > HELD_UP_SECONDS for gap in self.gaps)
        return {"ticks": len(self.gaps), "over_50_ms": late, "longest_ms": round(max(self.gaps) * 1000, 1)}


def measure_cine(clicker, pixels: np.ndarray, scene, model: str, device: str) -> dict[str, object]:
    """Score the cine twice: the first run loads the model."""
    from conftest import add_browser

    clicker.choose(add_browser(pixels, scene), Path(model))
    clicker.ui.deviceSelector.setCurrentText(device)
    found: dict[str, object] = {"frames": len(pixels), "size": pixels.shape[1:]}
    for name in ("first_run", "second_run"):
        ticks, started = Ticks(), time.monotonic()
        clicker.click("scoreButton")
        clicker.waitFor(lambda: clicker.panel.score.run is None, 3600)
        found[name] = {"seconds": round(time.monotonic() - started, 2), **ticks.stop()}
    found["status"] = clicker.ui.statusLabel.text
    return found


def measure_live(clicker, pixels: np.ndarray) -> dict[str, object]:
    """Score a stream that another process sends."""
    import pyigtl
    from test_live_panel import SCANNER

    volume = slicer.util.addVolumeFromArray(pixels[:1].copy(), name="Image_Reference")
    clicker.ui.liveSelector.setCurrentNode(volume)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cine.npy"
        np.save(path, pixels)
        arguments = [sys.executable, "-c", SCANNER, str(path), str(PORT), str(RATE)]
        scanner = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        scanner.stdout.readline()
        time.sleep(0.5)
        client = pyigtl.OpenIGTLinkClient("127.0.0.1", PORT)

        def receive() -> None:
            for message in client.get_latest_messages():
                slicer.util.updateVolumeFromArray(volume, message.image)

        clicker.click("liveButton")
        live = clicker.panel.live.live
        verdicts, show = [], live._onVerdict
        live._onVerdict = lambda judged: (verdicts.append(judged), show(judged))
        warm_up = Ticks(receive)
        clicker.waitFor(lambda: len(verdicts) > 3, 600)
        warm_up.stop()
        verdicts.clear()
        received, started, ticks = live.received, time.monotonic(), Ticks(receive)
        clicker.waitFor(lambda: time.monotonic() - started > LIVE_SECONDS, 600)
        seconds, held_up = time.monotonic() - started, ticks.stop()
        received = live.received - received
        clicker.click("liveButton")
        client.stop()
        scanner.kill()
        scanner.wait()
    latencies = [judged.latencyMs for judged in verdicts]
    return {
        "received_per_second": round(received / seconds, 1),
        "scored_per_second": round(len(verdicts) / seconds, 1),
        "worker_ms": round(float(np.median([judged.frameMs for judged in verdicts])), 1),
        "latency_ms": {
            name: round(float(np.quantile(latencies, q)), 1) for name, q in (("median", 0.5), ("95 %", 0.95))
        },
        **held_up,
    }


def main() -> None:
    """Print the figures as JSON."""
    sys.path.insert(0, str(TESTS))
    import conftest

    cine, model = sys.argv[1:3]
    device = sys.argv[3] if len(sys.argv) > 3 else "cpu"
    pixels = np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in open_cine(cine)])
    conftest._SCENE.clear()
    widget = conftest._MAKE_PANEL()
    widget.parent.show()
    clicker = conftest.Clicker(widget, conftest._SCENE)
    clicker.ui.planeSelector.setCurrentText("a4c")
    found = {"cine": measure_cine(clicker, pixels, conftest._SCENE, model, device)}
    found["live"] = measure_live(clicker, pixels)
    print(json.dumps(found, indent=2))  # noqa: T201 (its output)
    widget.cleanup()


if __name__ == "__main__":
    main()
