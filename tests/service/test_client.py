"""Tests of ``striq.service.client``, with a process that answers without a model and with the real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.phantom import make_phantom_cine
from striq.data.readers.intensity import to_unit_gray
from striq.scoring.scorer import StriqScorer
from striq.service.answers import PROTOCOL
from striq.service.client import ServiceClient
from striq.service.process import (
    AnswerTimeoutError,
    EndedError,
    NotRunningError,
    ProtocolError,
    RefusedError,
    StartError,
    UnreadableAnswerError,
)

# Starts a program as a process of its own and waits for it, as the launcher of 3D Slicer's Python does. A signal
# that ends the launcher does not reach the program; the launcher stays for a while after the program has ended.
LAUNCHER = """
import subprocess, sys, time
program = subprocess.Popen(sys.argv[2:])
if sys.argv[1] == "lets go":
    sys.stdin.close(), sys.stdout.close()
    import os
    os.close(0), os.close(1)
program.wait()
time.sleep(1)
"""
FAKE = [sys.executable, str(Path(__file__).with_name("fake_service.py"))]
PATIENCE_SECONDS = 60.0
SOON_SECONDS = 0.2
POLL_SECONDS = 0.01

Answers = list[dict]


@pytest.fixture
def client() -> Iterator[ServiceClient]:
    """A client of the process without a model, started."""
    client = ServiceClient(FAKE, protocol=2)
    client.start()
    yield client
    client.stop()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that waits for its parent to notice its end does not."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc").exists():
        return is_alive(pid)
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(POLL_SECONDS)


def collect(client: ServiceClient, number: int, last: str = "finished") -> Answers:
    """Poll until the last answer."""
    found: Answers = []
    while not (found and found[-1]["event"] == last):
        found += client.poll(number)
        time.sleep(POLL_SECONDS)
    return found


def frames(client: ServiceClient, count: int, file: str = "good") -> int:
    return client.send("score", file=file, source=str(count))


def test_client_needs_the_standard_library_only() -> None:
    program = (
        "import sys; before = set(sys.modules); import striq.service.client, striq.verdict; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - {"striq"} <= sys.stdlib_module_names


def test_answers_are_polled_in_order_without_waiting(client: ServiceClient) -> None:
    number = frames(client, 3)
    found = collect(client, number)
    assert [answer["event"] for answer in found] == ["frame"] * 3 + ["finished"]
    assert [answer["index"] for answer in found[:3]] == [0, 1, 2]
    assert client.poll(number) == []


def test_answers_wait_for_whoever_polls_for_them(client: ServiceClient) -> None:
    first, second = frames(client, 2), frames(client, 1)
    assert len(collect(client, second)) == 2
    assert len(client.poll(first)) == 3  # arrived before those to the second
    third, fourth = frames(client, 1), frames(client, 1)
    client.forget(third)
    collect(client, fourth)
    assert client.poll(third, None) == []


def test_question_yields_the_answers_up_to_the_last(client: ServiceClient) -> None:
    (loaded,) = client.ask("load")
    assert loaded["model"] == "m"
    answers = client.ask("score", file="good", source="2")
    assert [answer["event"] for answer in answers] == ["frame", "frame", "finished"]


def test_refusal_is_raised_with_its_text_and_the_process_lives_on(client: ServiceClient) -> None:
    pid = client.pid
    with pytest.raises(RefusedError, match=r"^This file cannot be read\.$"):
        list(client.ask("score", file="refuse", source="1"))
    assert len(list(client.ask("score", file="good", source="1"))) == 2
    assert client.pid == pid


def test_crash_is_raised_once_for_each_command_after_its_answers(client: ServiceClient) -> None:
    first, second = frames(client, 5, "crash"), frames(client, 5)
    wait_for(lambda: not client.is_running)
    found: Answers = []
    with pytest.raises(EndedError, match="ended: last reason") as raised:
        wait_for(lambda: bool(found.extend(client.poll(first))))
    assert [answer["index"] for answer in found] == [0, 1]
    assert raised.value.last_lines == ["first reason", "last reason"]
    assert client.poll(first) == []
    with pytest.raises(EndedError):
        client.poll(second)
    with pytest.raises(EndedError, match="last reason"):
        client.send("load")
    assert client.stderr_text() == "first reason\nlast reason"


def test_crash_is_raised_once_where_no_answer_is_awaited(client: ServiceClient) -> None:
    number = frames(client, 1)
    collect(client, number)
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    with pytest.raises(EndedError):
        wait_for(lambda: bool(client.poll(number, None)))
    assert client.poll(number, None) == []
    client.start()
    assert client.poll(number, None) == []


def test_process_that_crashed_is_started_again(client: ServiceClient) -> None:
    before, lost = client.pid, frames(client, 5, "crash")
    wait_for(lambda: not client.is_running)
    client.start()
    assert client.is_running
    assert client.pid != before
    assert len(list(client.ask("score", file="good", source="1"))) == 2
    assert [answer["index"] for answer in client.poll(lost)] == [0, 1]  # what it had answered is not lost
    with pytest.raises(EndedError, match="last reason"):
        client.poll(lost)
    client.start()
    assert client.stderr_text() == ""  # it was running


def test_question_to_a_process_that_crashes_is_an_error(client: ServiceClient) -> None:
    answers = client.ask("score", file="crash", source="5")
    assert (next(answers)["index"], next(answers)["index"]) == (0, 1)
    with pytest.raises(EndedError, match="last reason"):
        next(answers)


def test_process_that_does_not_answer_is_ended(client: ServiceClient) -> None:
    pid = client.pid
    assert pid is not None
    with pytest.raises(AnswerTimeoutError, match=r"no answer within 0\.2 s"):
        list(client.ask("score", seconds=SOON_SECONDS, file="silence", source="1"))
    assert not client.is_running
    assert not is_alive(pid)


def test_line_that_is_no_answer_is_an_error(client: ServiceClient) -> None:
    with pytest.raises(UnreadableAnswerError, match=r"wrote 'no answer'\. Expected"):
        list(client.ask("score", file="garbage", source="1"))
    assert not client.is_running
    client.start()
    assert len(list(client.ask("load"))) == 1


@pytest.mark.parametrize("blocking", [True, False])
def test_other_protocol_is_refused(blocking: bool) -> None:
    client = ServiceClient([*FAKE, "7"], protocol=2)
    client.start()
    with pytest.raises(ProtocolError, match=r"striq 9\.9 speaks protocol 7, this program 2\. Install versions that"):
        list(client.ask("load")) if blocking else collect(client, client.send("load"), "loaded")
    assert not client.is_running
    client.stop()


def test_program_that_is_not_there_is_named() -> None:
    with pytest.raises(StartError, match="got '/nowhere/python'"):
        ServiceClient(["/nowhere/python"], protocol=2).start()


def test_command_before_the_start_is_an_error() -> None:
    with pytest.raises(NotRunningError, match="Call 'start' first"):
        ServiceClient(FAKE, protocol=2).send("load")


def test_environment_is_handed_to_the_process() -> None:
    program = "import os, sys; sys.exit('found ' + os.environ.get('MARK', 'nothing'))"
    client = ServiceClient([sys.executable, "-c", program], protocol=2, environment={**os.environ, "MARK": "it"})
    client.start()
    with pytest.raises(EndedError, match="found it"):
        list(client.ask("load"))
    client.stop()


@pytest.mark.parametrize("state", ["idle", "deaf", "silence", "crash"])
def test_stop_leaves_no_process(state: str, client: ServiceClient) -> None:
    pid = client.pid
    assert pid is not None
    if state != "idle":
        number = frames(client, 3, state)
        wait_for(lambda: state == "silence" or bool(client.poll(number)))
    client.stop(SOON_SECONDS)
    assert not is_alive(pid)
    assert not client.is_running
    assert client.pid is None
    client.stop()


def test_stop_is_asked_for_before_it_is_enforced(tmp_path: Path) -> None:
    mark = tmp_path / "command"
    program = f"import sys, pathlib; pathlib.Path({str(mark)!r}).write_text(sys.stdin.readline())"
    client = ServiceClient([sys.executable, "-c", program], protocol=2)
    client.start()
    client.stop(PATIENCE_SECONDS)
    assert json.loads(mark.read_text()) == {"command": "stop"}


# The real process


@pytest.fixture(scope="module")
def pictures() -> NDArray[np.uint8]:
    """A cine as stored, long enough to be interrupted."""
    cine = make_phantom_cine("a4c", 6, 2, size=(96, 120))
    return np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in cine] * 20)


@pytest.fixture(scope="module")
def pictures_file(pictures: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("cine") / "frames.npy"
    np.save(path, pictures)
    return str(path)


@pytest.fixture(scope="module")
def running() -> Iterator[ServiceClient]:
    client = ServiceClient([sys.executable, "-m", "striq.service"], protocol=PROTOCOL)
    yield client
    pid = client.pid
    client.stop()
    assert pid is not None
    assert not is_alive(pid)


@pytest.fixture
def real(running: ServiceClient, tiny_model: Path) -> ServiceClient:
    """A client of the real process with the small model loaded."""
    running.start()
    (loaded,) = running.ask("load", model=str(tiny_model), device="cpu")
    assert loaded["planes"] == ["a4c", "abdomen"]
    return running


@pytest.mark.slow
def test_real_process_scores_as_the_scorer_and_can_be_cancelled(
    real: ServiceClient, tiny_scorer: StriqScorer, pictures: NDArray[np.uint8], pictures_file: str
) -> None:
    number = real.send("score", frames=pictures_file)
    found: Answers = []
    wait_for(lambda: bool(found.extend(real.poll(number)) or len(found) >= 3))
    real.send("cancel")
    *scored, end = found + collect(real, number)
    assert end["cancelled"] is True
    assert 3 <= end["scored"] == len(scored) < len(pictures)
    expected = tiny_scorer.score(Cine("c", 3, lambda index: to_unit_gray(pictures[index])))
    qualities = [frame["quality"] for frame in scored[:3]]
    assert qualities == pytest.approx([score.quality for score in expected], abs=1e-5)


@pytest.mark.slow
def test_real_process_that_was_killed_is_started_again(real: ServiceClient, pictures_file: str) -> None:
    number, pid = real.send("score", frames=pictures_file), real.pid
    assert pid is not None
    wait_for(lambda: bool(real.poll(number)))
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(EndedError, match=f"exit status {-signal.SIGKILL}, no message"):
        collect(real, number)
    real.start()
    assert real.pid != pid
    with pytest.raises(RefusedError, match="No model is loaded"):
        list(real.ask("score", frames=pictures_file))


def launched(pipes: str = "holds") -> ServiceClient:
    """Return a client whose process runs behind a launcher that holds its pipes, or lets go of them."""
    client = ServiceClient([sys.executable, "-c", LAUNCHER, pipes, *FAKE], protocol=2)
    client.start()
    list(client.ask("score", file="good", source="1"))
    return client


@pytest.mark.parametrize("pipes", ["holds", "lets go"])
@pytest.mark.parametrize("file", ["good", "deaf"])
def test_process_behind_a_launcher_is_ended(file: str, pipes: str) -> None:
    client = launched(pipes)
    number, found = frames(client, 1, file), []
    wait_for(lambda: bool(found.extend(client.poll(number)) or found))
    worker = found[0]["pid"]
    assert worker != client._process._popen.pid
    assert client.pid == worker
    started = time.monotonic()
    client.stop(SOON_SECONDS)
    wait_for(lambda: not is_running(worker))
    assert time.monotonic() - started < 5.0


def test_process_that_died_behind_a_launcher_is_replaced_at_once() -> None:
    client = launched("lets go")
    before = next(client.ask("score", file="good", source="1"))["pid"]
    os.kill(before, signal.SIGKILL)
    time.sleep(SOON_SECONDS)  # the launcher is still there
    client.start()
    found = list(client.ask("score", file="good", source="1"))
    assert [answer["event"] for answer in found] == ["frame", "finished"]
    assert found[0]["pid"] != before
    client.stop()


def test_number_that_no_signal_may_go_to_is_not_believed() -> None:
    for number in (0, 1, -1, os.getpid(), "12", None):
        fake = (
            f"import json, sys; print(json.dumps(dict(event='ready', protocol=2, pid={number!r})), flush=True); input()"
        )
        client = ServiceClient([sys.executable, "-c", fake], protocol=2)
        client.start()
        started = client.pid
        wait_for(lambda client=client: not client.poll() and client._process is not None)
        time.sleep(SOON_SECONDS)
        client.poll()
        assert client.pid == started
        client.stop()
