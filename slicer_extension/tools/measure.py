"""Measure how long a user waits, on the panel of the tests: ``make measure-slicer CINE=cine.dcm``.

It measures a cine from the click on *Score* to its plot, and a stream of 25 images per second over loopback: images
scored per second, time from image to verdict, and how long the window was blocked. Views are not drawn meanwhile. Other
work on the computer disturbs the figures, so each part is repeated; the best and all of them are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import slicer

from striq.data.readers import open_cine

TESTS = Path(__file__).parents[1] / "tests"
PORT, RATE, LIVE_SECONDS = 18977, 25, 20
BLOCKED_SECONDS = 0.05  # users notice a window that is blocked for longer


class Ticks:
    """A timer that records how long the event loop was blocked."""

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
        late = sum(gap > BLOCKED_SECONDS for gap in self.gaps)
        return {"ticks": len(self.gaps), "over_50_ms": late, "longest_ms": round(max(self.gaps) * 1000, 1)}


def measure_cine(clicker, pixels: np.ndarray, scene, asked: argparse.Namespace) -> dict[str, object]:
    """Score the cine once including loading the model, then once more."""
    from conftest import add_browser

    scene.clear()
    clicker.panel.session.logic.holder.stop()
    clicker.choose(add_browser(pixels, scene), asked.model)
    clicker.ui.deviceSelector.setCurrentText(asked.device)
    clicker.ui.planeSelector.setCurrentText(asked.plane)
    found: dict[str, object] = {}
    for name in ("with_loading", "model_loaded"):
        ticks, started = Ticks(), time.monotonic()
        clicker.click("scoreButton")
        clicker.waitFor(lambda: clicker.panel.score.run is None, 3600)
        found[name] = {"seconds": round(time.monotonic() - started, 2), **ticks.stop()}
    found["status"] = clicker.ui.statusLabel.text
    return found


@contextmanager
def scanner(pixels: np.ndarray) -> Iterator[None]:
    """Stream the cine from another process."""
    from test_live_panel import SCANNER

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cine.npy"
        np.save(path, pixels)
        arguments = [sys.executable, "-c", SCANNER, str(path), str(PORT), str(RATE)]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        process.stdout.readline()
        time.sleep(0.5)
        yield
        process.kill()
        process.wait()


def measure_live(clicker, pixels: np.ndarray) -> dict[str, object]:
    """Score a stream that another process sends."""
    import pyigtl

    volume = slicer.util.addVolumeFromArray(pixels[:1].copy(), name="Image_Reference")
    clicker.ui.liveSelector.setCurrentNode(volume)
    with scanner(pixels):
        client = pyigtl.OpenIGTLinkClient("127.0.0.1", PORT)

        def receive() -> None:
            for message in client.get_latest_messages():
                slicer.util.updateVolumeFromArray(volume, message.image)

        clicker.click("liveButton")
        live = clicker.panel.live.live
        verdicts, show = [], live._onVerdict
        live._onVerdict = lambda verdict: (verdicts.append(verdict), show(verdict))
        warm_up = Ticks(receive)
        clicker.waitFor(lambda: len(verdicts) > 3, 600)
        warm_up.stop()
        verdicts.clear()
        received, started, ticks = live.received, time.monotonic(), Ticks(receive)
        clicker.waitFor(lambda: time.monotonic() - started > LIVE_SECONDS, 600)
        seconds, blocked = time.monotonic() - started, ticks.stop()
        received = live.received - received
        clicker.click("liveButton")
        live._onVerdict = show
        client.stop()
    latencies = [verdict.latencyMs for verdict in verdicts]
    return {
        "received_per_second": round(received / seconds, 1),
        "scored_per_second": round(len(verdicts) / seconds, 1),
        "frame_ms": round(float(np.median([verdict.frameMs for verdict in verdicts])), 1),
        "latency_median_ms": round(float(np.median(latencies)), 1),
        "latency_95_percent_ms": round(float(np.quantile(latencies, 0.95)), 1),
        **blocked,
    }


def computer(device: str) -> dict[str, object]:
    """Describe the computer."""
    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return {
        "device": device,
        "name": name,
        "cores": os.cpu_count(),
        "threads": os.environ["OMP_NUM_THREADS"],
        "load": load,
    }


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("cine", nargs="?", help="a file that striq score reads; the phantom sample by default")
    asked.add_argument("--model", default="", help="model.pt or bundle; the shipped one by default")
    asked.add_argument("--device", default="cpu")
    asked.add_argument("--plane", default="auto")
    asked.add_argument("--threads", default=str(os.cpu_count()), help="threads of the scoring process")
    asked.add_argument("--repeat", type=int, default=3)
    return asked.parse_args()


def main() -> None:
    """Print the figures as JSON."""
    asked = arguments()
    os.environ["OMP_NUM_THREADS"] = asked.threads
    sys.path.insert(0, str(TESTS))
    import conftest
    from UltrasoundPlaneQCLib.Samples import SAMPLE

    pixels = np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in open_cine(asked.cine or SAMPLE)])
    conftest._SCENE.clear()
    widget = conftest._MAKE_PANEL()
    widget.parent.show()
    clicker = conftest.Clicker(widget, conftest._SCENE)
    cines, streams = [], []
    for _ in range(asked.repeat):
        cines.append(measure_cine(clicker, pixels, conftest._SCENE, asked))
        streams.append(measure_live(clicker, pixels))
    found = {
        "computer": computer(asked.device),
        "frames": len(pixels),
        "size": pixels.shape[1:],
        "cine": min(cines, key=lambda one: one["model_loaded"]["seconds"]),
        "live": max(streams, key=lambda one: one["scored_per_second"]),
        "all": {"cine": cines, "live": streams},
    }
    print(json.dumps(found, indent=2))  # noqa: T201 (its output)
    widget.cleanup()


if __name__ == "__main__":
    main()
