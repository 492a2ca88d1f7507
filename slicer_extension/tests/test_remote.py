"""Tests of the section *Server*, clicked as a user does, with a real server on loopback."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import slicer
from conftest import Clicker, add_browser, results_of
from standin import mrml
from timing import clock
from UltrasoundPlaneQCLib import RemoteServers
from UltrasoundPlaneQCLib.RemoteServers import CONSENTS, ServerProblem, allowedServers, isAllowed, serverOf

from striq.service.http_server import FrameServer, Settings

TOKEN = "a-secret-of-tests-only"
DEVICES = [{"name": "cpu", "label": "CPU"}, {"name": "cuda:1", "label": "GPU 1: Test"}]
FAKE = """
import json, os, sys, time
def say(**answer): print(json.dumps(answer), flush=True)
say(event="ready", protocol=2, version="0", pid=os.getpid())
for line in sys.stdin:
    asked = json.loads(line)
    if asked["command"] == "load":
        say(event="loaded", id=asked["id"], model="m", sha256="0", planes=["a4c"], threshold=0.5, version="0",
            device=asked["device"], about={}, terms=[])
    elif asked["command"] == "score":
        time.sleep(60)
"""


def start_server(command: list[str] | None, model: Path | None = None) -> FrameServer:
    settings = Settings("127.0.0.1", 0, TOKEN, model=None if model is None else str(model))
    server = FrameServer(settings, DEVICES, command)
    server.start()
    return server


@pytest.fixture(scope="module")
def real(tiny_model: Path) -> Iterator[FrameServer]:
    """A server with the small model."""
    server = start_server([sys.executable, "-m", "striq.service"], tiny_model)
    yield server
    server.stop()


@pytest.fixture
def fake() -> Iterator[FrameServer]:
    """A server that loads at once and never finishes a score."""
    server = start_server([sys.executable, "-c", FAKE])
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """No server is allowed at first."""
    slicer.app.userSettings().remove(CONSENTS)
    yield
    slicer.app.userSettings().remove(CONSENTS)


def address_of(server: FrameServer) -> str:
    return f"http://127.0.0.1:{server.port}"


def connect(clicker: Clicker, server: FrameServer, token: str = TOKEN) -> None:
    """Type address and token, allow the server, and press *Connect*."""
    remote = clicker.panel.remote
    remote.addressSelector.setCurrentText(address_of(server))
    remote.tokenEdit.setText(token)
    clicker.click(remote.consentBox)
    clicker.click(remote.connectButton)
    clicker.waitFor(lambda: remote._question is None)


def test_scores_of_a_server_are_those_of_this_computer(
    clicker: Clicker, browser, real: FrameServer, tiny_model: Path
) -> None:
    clicker.score(browser, tiny_model)
    here = [(result.quality, result.verdict, result.transform) for result in results_of(clicker)]
    connect(clicker, real)
    remote = clicker.panel.remote
    assert remote.deviceSelector.currentText == "GPU 1: Test"  # a graphics card is preferred
    remote.deviceSelector.setCurrentText("CPU")
    clicker.ui.modelPath.setText("")
    clicker.click("scoreButton")
    clicker.waitFor(lambda: clicker.panel.score.run is None)
    assert [(result.quality, result.verdict, result.transform) for result in results_of(clicker)] == here
    assert address_of(real) in clicker.ui.aboutLabel.text
    assert clicker.ui.researchLabel.text.endswith(f"Frames are sent to {address_of(real)}.")
    clicker.click("explainButton")
    clicker.waitFor(lambda: not clicker.panel.session.logic.explainer.isBusy)
    clicker.click(remote.connectButton)  # now Disconnect
    assert clicker.panel.session.logic.holder.server is None
    assert "No data leaves this computer" in clicker.ui.researchLabel.text


def test_nothing_is_connected_before_the_consent(clicker: Clicker, browser) -> None:
    connections: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        address, isOver = f"http://127.0.0.1:{listener.getsockname()[1]}", threading.Event()

        def accept() -> None:
            while not isOver.is_set():
                try:
                    connections.append(listener.accept())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        remote = clicker.panel.remote
        remote.addressSelector.setCurrentText(address)
        remote.tokenEdit.setText(TOKEN)
        assert not remote.connectButton.isEnabled()
        assert "Allow the server first" in remote.connectButton.toolTip
        remote.onConnect()  # even if the button were pressed
        clicker.ui.inputSelector.setCurrentNode(browser)
        clicker.passTime(0.3)
        isOver.set()
        thread.join()
    assert connections == []
    assert "is not allowed" in remote.statusLabel.text
    with pytest.raises(ServerProblem, match="is not allowed"):
        serverOf(address, TOKEN, "")


def test_consent_is_kept_for_one_address_shown_and_taken_back(clicker: Clicker, fake: FrameServer) -> None:
    connect(clicker, fake)
    remote, address = clicker.panel.remote, address_of(fake)
    assert allowedServers() == [address]
    assert address in remote.consentLabel.text
    assert isAllowed(f" {address}/ ")
    assert not isAllowed(f"{address}0")  # another port is another server
    scene = slicer.mrmlScene.GetSingletonNode("UltrasoundPlaneQC", "vtkMRMLScriptedModuleNode")
    assert address not in str(scene)  # a scene from elsewhere cannot choose a server
    clicker.click(remote.consentBox)
    assert allowedServers() == []
    assert clicker.panel.session.logic.holder.server is None
    assert "taken back" in remote.statusLabel.text
    assert not remote.connectButton.isEnabled()


def test_wrong_token_is_said_and_nothing_is_used(clicker: Clicker, fake: FrameServer) -> None:
    connect(clicker, fake, token="another-secret-of-tests")
    assert "token is wrong" in clicker.panel.remote.statusLabel.text
    assert clicker.panel.session.logic.holder.server is None
    assert clicker.panel.remote.connectButton.isEnabled()


def test_server_that_dies_during_a_run_is_an_error_and_the_panel_goes_on(
    clicker: Clicker, scene: mrml.Scene, cine_pixels: np.ndarray, tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_server([sys.executable, "-c", FAKE])
    connect(clicker, server)
    browser = add_browser(cine_pixels, scene)
    clicker.ui.inputSelector.setCurrentNode(browser)
    clicker.ui.modelPath.setText("")
    clicker.click("scoreButton")
    clicker.waitFor(lambda: clicker.panel.session.logic.holder.loaded is not None)
    assert clicker.panel.session.logic.holder.loaded["device"] == "cuda:1"
    assert not clicker.panel.remote.connectButton.isEnabled()
    server.stop()
    clicker.waitFor(lambda: clicker.panel.score.run is None)
    assert "scoring process ended" in clicker.ui.statusLabel.text
    # What is noticed first: the closed connection, the ended session, or the end of the server's own process.
    assert any(word in clicker.ui.statusLabel.text for word in (str(server.port), "session", "on the server"))
    clicker.click(clicker.panel.remote.connectButton)
    clicker.score(browser, tiny_model)  # on this computer
    assert all(result.isScored for result in results_of(clicker))


def test_model_of_this_computer_is_not_taken_for_the_servers(
    clicker: Clicker, browser, fake: FrameServer, tiny_model: Path
) -> None:
    connect(clicker, fake)
    clicker.choose(browser, tiny_model)
    clicker.click("scoreButton")
    clicker.waitFor(lambda: clicker.panel.score.run is None)
    assert "its own model" in clicker.ui.statusLabel.text


@pytest.mark.parametrize(
    ("address", "said"), [("http://gpu.hospital:1", "Use https://"), ("gpu", "Expected an address")]
)
def test_address_that_cannot_be_used_is_said(clicker: Clicker, address: str, said: str) -> None:
    remote = clicker.panel.remote
    remote.addressSelector.setCurrentText(address)
    remote.tokenEdit.setText(TOKEN)
    clicker.click(remote.consentBox)
    clicker.click(remote.connectButton)
    assert said in remote.statusLabel.text


def test_server_of_another_protocol_is_refused(
    clicker: Clicker, fake: FrameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striq.service.http_server.PROTOCOL", 99)
    connect(clicker, fake)
    assert "speaks protocol 99" in clicker.panel.remote.statusLabel.text


def test_window_does_not_wait_for_a_server_that_is_silent(clicker: Clicker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        remote = clicker.panel.remote
        remote.addressSelector.setCurrentText(f"http://127.0.0.1:{listener.getsockname()[1]}")
        remote.tokenEdit.setText(TOKEN)
        clicker.click(remote.consentBox)
        started = clock()
        clicker.click(remote.connectButton)
        assert clock() - started < 5
        assert remote.statusLabel.text == "Connecting"
        assert isinstance(remote._question, RemoteServers.Question)
        remote.disconnectServer()
