"""Tests of ``striq.signals``, and of stops of the command line at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striq.cli import main
from striq.data.phantom import make_phantom_cine
from striq.signals import ending_at_once, ending_on_signals

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
LONGEST_S = 2.0  # from the signal to the end, of processor time, so that a busy machine does not matter


def handlers() -> list[Any]:
    return [signal.getsignal(getattr(signal, name)) for name in NAMES]


@pytest.mark.parametrize("context", [ending_at_once, ending_on_signals])
def test_handlers_are_as_before_afterwards(context: Any) -> None:
    before = handlers()
    with context():
        assert handlers() != before
    assert handlers() == before
    with pytest.raises(ZeroDivisionError), context():
        raise ZeroDivisionError
    assert handlers() == before


def test_commands_called_by_a_program_leave_its_handlers(tiny_model: Path, tmp_path: Path) -> None:
    write_archive(tmp_path / "frames", 1)
    before = handlers()
    for command, out in (("score", "scores.csv"), ("audit", "audit")):
        given = [command, str(tmp_path / "frames"), "--out", str(tmp_path / out), "--model", str(tiny_model)]
        with pytest.raises(SystemExit) as ended:
            main(given)
        assert ended.value.code == 0
        assert handlers() == before


def test_a_handler_of_the_calling_program_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def own(number: int, frame: object) -> None: ...

    before = {name: signal.signal(getattr(signal, name), own) for name in NAMES}
    try:
        for context in (ending_at_once, ending_on_signals):
            with context():
                assert handlers() == [own] * len(NAMES)
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def test_a_thread_sets_no_handlers() -> None:
    before, found = handlers(), []

    def work() -> None:
        with ending_at_once(), ending_on_signals():
            found.extend(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == before


STARTING = """
from striq.signals import ending_at_once
with ending_at_once():
    print("loading", flush=True)
    sum(range(10**11))  # minutes without a moment for a handler written in Python
"""


def test_interruption_does_not_wait_for_modules_to_load() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=20) == -signal.SIGINT
        finally:
            process.kill()


ENDING = """
import atexit, time
from striq.signals import call_at_end, ending_on_signals, exit_if_ending
atexit.register(time.sleep, 60)
call_at_end(lambda: print("last call"))
exit_if_ending(1)  # nothing has asked for it
try:
    with ending_on_signals():
        print("working", flush=True)
        time.sleep(60)
except SystemExit as ended:
    exit_if_ending(ended.code)
"""


def test_a_signal_does_not_wait_for_the_end_of_the_interpreter() -> None:
    with subprocess.Popen([sys.executable, "-c", ENDING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(timeout=20) == 128 + signal.SIGTERM
        finally:
            process.kill()
        assert process.stdout.read() == "last call\n"


def write_archive(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        cine = make_phantom_cine("a4c", 10, seed=number, size=(96, 96))
        pages = [Image.fromarray(np.round(frame.pixels * 255).astype(np.uint8)) for frame in cine]
        pages[0].save(folder / f"{number:02}.tif", save_all=True, append_images=pages[1:])


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads processor time in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("command", ["score", "audit"])
def test_a_stop_at_any_moment_ends_soon(command: str, number: signal.Signals, tiny_model: Path, tmp_path: Path) -> None:
    write_archive(tmp_path / "frames", 30)
    given = [sys.executable, "-m", "striq.cli", command, str(tmp_path / "frames"), "--model", str(tiny_model), "--out"]
    chance = random.Random(f"{command}{number}")
    started = time.perf_counter()
    subprocess.run([*given, str(tmp_path / "whole")], check=True, capture_output=True)
    whole_s = time.perf_counter() - started
    for attempt in range(6):
        with subprocess.Popen(
            [*given, str(tmp_path / f"{attempt}")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(chance.uniform(0.05, 0.9) * whole_s)
            if process.poll() is not None:
                continue
            before = processor_seconds(process.pid)
            process.send_signal(number)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode in (-number, 128 + number, 0)  # 0: it had ended its work
        assert used.ru_utime + used.ru_stime - before < LONGEST_S
