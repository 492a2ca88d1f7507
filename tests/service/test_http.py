"""Tests of scoring over HTTP on loopback: the same scores as here, and what is refused."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striq.commands.listening import read_or_make_token
from striq.data.phantom import make_phantom_cine
from striq.errors import StriqError
from striq.service.answers import PROTOCOL
from striq.service.client import ServiceClient
from striq.service.http_client import RemoteProcess, Server, ServerError, describe_server
from striq.service.http_protocol import SENT_FIELDS
from striq.service.http_server import FrameServer, Settings
from striq.service.process import EndedError, RefusedError

TOKEN = "a-secret-of-tests-only"
DEVICES = [{"name": "cpu", "label": "CPU"}]
PATIENCE_S = 300
ECHO = """
import json, os, sys
def say(**answer): print(json.dumps(answer), flush=True)
say(event="ready", protocol=2, version="0", pid=os.getpid())
for line in sys.stdin:
    asked = json.loads(line)
    if asked["command"] == "stop": break
    if asked.get("plane") == "die": sys.exit("out of order")
    if asked["command"] == "cancel": continue
    say(event="finished" if asked["command"] == "score" else "loaded", id=asked["id"], model="/srv/m.pt", got=asked)
"""


def serve(command: list[str] | None = None, **given: Any) -> FrameServer:
    settings = Settings(**{"host": "127.0.0.1", "port": 0, "token": TOKEN, **given})
    server = FrameServer(settings, DEVICES, command)
    server.start()
    return server


@pytest.fixture
def echo() -> Iterator[FrameServer]:
    """A server whose scoring process says what it got."""
    server = serve([sys.executable, "-c", ECHO], max_bytes=2**16)
    yield server
    server.stop()


def remote(server: FrameServer, **given: Any) -> ServiceClient:
    place = Server(**{"address": f"http://127.0.0.1:{server.port}", "token": TOKEN, **given})
    client = ServiceClient([], protocol=PROTOCOL, launch=lambda: RemoteProcess(place))
    client.start()
    return client


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Three drawn frames."""
    drawn = make_phantom_cine("a4c", 3, seed=2, size=(96, 120))
    path = tmp_path / "Name^of^a^patient.npy"
    np.save(path, np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in drawn]))
    return path


def test_scores_and_maps_are_those_of_a_process_here(frames: Path, tiny_model: Path, tmp_path: Path) -> None:
    here = ServiceClient([sys.executable, "-m", "striq.service"], protocol=PROTOCOL)
    here.start()
    server = serve(model=str(tiny_model))
    there = remote(server)
    asked: dict[str, Any] = {
        "frames": str(frames),
        "plane": "a4c",
        "spacing_mm": [0.3, 0.4],
        "times_s": [0.0, 0.1, 0.2],
    }
    found = []
    try:
        for client, model in ((here, str(tiny_model)), (there, None)):
            folder = tmp_path / f"maps{len(found)}"
            loaded = list(client.ask("load", model=model, device="cpu", seconds=PATIENCE_S))[-1]
            scored = list(client.ask("score", seconds=PATIENCE_S, source="Name^of^a^patient", **asked))
            (explained,) = client.ask(
                "explain", seconds=PATIENCE_S, frames=str(frames), index=1, plane="a4c", folder=str(folder)
            )
            found.append((loaded["sha256"], scored, np.load(explained["residual"]), explained["quality"]))
    finally:
        here.stop()
        there.stop()
        server.stop()
    (sum_here, scored_here, residual_here, quality_here), (sum_there, scored_there, residual_there, quality_there) = (
        found
    )
    assert sum_here == sum_there
    timing = ("ms", "id")
    plain = [
        [{k: v for k, v in answer.items() if k not in timing} for answer in part]
        for part in (scored_here, scored_there)
    ]
    assert plain[0] == plain[1]
    assert len(plain[0]) == 4
    assert quality_here == quality_there
    np.testing.assert_array_equal(residual_here, residual_there)


def test_only_frames_and_numbers_are_sent(echo: FrameServer, frames: Path) -> None:
    client = remote(echo)
    (finished,) = client.ask(
        "score",
        seconds=PATIENCE_S,
        frames=str(frames),
        source="Name^of^a^patient",
        original="/data/Name^of^a^patient.dcm",
        plane="a4c",
        times_s=[0.0, 0.1, 0.2],
    )
    client.stop()
    got = finished["got"]
    assert set(got) == {"command", "id", "plane", "times_s", "frames", "source"}
    assert got["source"] == "frames"  # named by the server
    assert "patient" not in json.dumps(got)


@pytest.mark.parametrize("field", ["source", "original", "file", "folder", "model", "frames"])
def test_server_refuses_fields_with_names_and_paths(echo: FrameServer, field: str) -> None:
    status, said = request(echo, "POST", "/v1/sessions")
    session = said["session"]
    line = json.dumps({"command": "score", "id": 1, field: "/etc/passwd"}).encode() + b"\n..."
    status, said = request(echo, "POST", f"/v1/sessions/{session}/commands", line)
    assert status == 400
    assert field in said["error"]
    assert all(field not in fields for fields in SENT_FIELDS.values())


def request(
    server: FrameServer, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}", **headers})
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())
    connection.close()
    return answer


@pytest.mark.parametrize("token", ["", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "\xff"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/about"), ("POST", "/v1/sessions"), ("DELETE", "/v1/sessions/a")]
)
def test_every_request_needs_the_token(echo: FrameServer, method: str, path: str, token: str) -> None:
    status, said = request(echo, method, path, Authorization=token)
    assert status == 401
    assert "token is wrong" in said["error"]
    assert echo.sessions._sessions == {}


def test_client_with_a_wrong_token_says_so(echo: FrameServer) -> None:
    client = remote(echo, token="another-secret-0")
    with pytest.raises(EndedError, match="token is wrong"):
        list(client.ask("load", seconds=PATIENCE_S))


def test_client_says_that_no_server_is_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ServerError, match="cannot be reached"):
        describe_server(Server(f"http://127.0.0.1:{port}", TOKEN))


def test_server_describes_itself(echo: FrameServer) -> None:
    said = describe_server(Server(f"http://127.0.0.1:{echo.port}", TOKEN))
    assert said["devices"] == DEVICES
    assert (said["protocol"], said["max_bytes"]) == (PROTOCOL, 2**16)


def test_paths_of_the_server_stay_there(echo: FrameServer) -> None:
    client = remote(echo)
    (loaded,) = client.ask("load", seconds=PATIENCE_S)
    client.stop()
    assert loaded["model"] == "m.pt"


def test_process_that_ends_on_the_server_is_an_error_with_its_reason(echo: FrameServer, frames: Path) -> None:
    client = remote(echo)
    with pytest.raises(EndedError, match="out of order"):
        list(client.ask("score", seconds=PATIENCE_S, frames=str(frames), plane="die"))
    client.start()  # a new session
    assert list(client.ask("load", seconds=PATIENCE_S))
    client.stop()


def test_server_that_stops_during_a_run_is_an_error(frames: Path) -> None:
    server = serve([sys.executable, "-c", ECHO.replace('say(event="finished"', '0 and say(event="finished"')])
    client = remote(server)
    number = client.send("score", frames=str(frames))
    until = time.monotonic() + PATIENCE_S
    while not server.sessions._sessions and time.monotonic() < until:
        time.sleep(0.01)
    server.stop()
    while client.is_running and time.monotonic() < until:
        time.sleep(0.01)
    assert not client.is_running
    with pytest.raises(EndedError):
        client.poll(number)


def test_request_that_is_too_large_is_refused_before_it_is_read(echo: FrameServer, tmp_path: Path) -> None:
    status, said = request(echo, "POST", "/v1/sessions/x/commands", **{"Content-Length": str(2**40)})
    assert (status, "65536" in said["error"]) == (413, True)
    np.save(tmp_path / "large.npy", np.zeros((8, 96, 96), np.uint8))
    client = remote(echo)
    with pytest.raises(EndedError, match="takes up to 65536"):
        list(client.ask("score", seconds=PATIENCE_S, frames=str(tmp_path / "large.npy")))


def test_frames_that_are_gone_cost_only_their_command(echo: FrameServer, tmp_path: Path) -> None:
    client = remote(echo)
    with pytest.raises(RefusedError, match="absent"):
        list(client.ask("score", seconds=PATIENCE_S, frames=str(tmp_path / "absent.npy")))
    assert list(client.ask("load", seconds=PATIENCE_S))
    client.stop()


def test_model_of_this_computer_cannot_be_used_on_a_server(echo: FrameServer) -> None:
    client = remote(echo)
    with pytest.raises(RefusedError, match="its own model"):
        list(client.ask("load", seconds=PATIENCE_S, model="/here/model.pt"))
    client.stop()


def test_sessions_end_when_nobody_uses_them_and_are_limited() -> None:
    server = serve([sys.executable, "-c", ECHO], max_sessions=1, idle_s=0.5)
    try:
        assert request(server, "POST", "/v1/sessions")[0] == 200
        status, said = request(server, "POST", "/v1/sessions")
        assert (status, "largest number" in said["error"]) == (400, True)
        until = time.monotonic() + PATIENCE_S
        while server.sessions._sessions and time.monotonic() < until:
            time.sleep(0.05)
        assert request(server, "POST", "/v1/sessions")[0] == 200
    finally:
        server.stop()


def test_session_of_a_client_that_stops_is_removed(echo: FrameServer) -> None:
    client = remote(echo)
    list(client.ask("load", seconds=PATIENCE_S))
    folders = [session._folder for session in echo.sessions._sessions.values()]
    client.stop(30.0)
    assert echo.sessions._sessions == {}
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("path", ["/", "/v1/sessions/none/answers", "/v1/sessions/../files/a.npy", "/v1/about/x"])
def test_other_paths_do_not_exist(echo: FrameServer, path: str) -> None:
    assert request(echo, "GET", path)[0] == 404


def test_other_computers_need_tls_on_both_sides() -> None:
    with pytest.raises(StriqError, match="Give a certificate"):
        Settings(host="0.0.0.0", port=0, token=TOKEN)
    with pytest.raises(ServerError, match="Use https://"):
        Server("http://gpu.hospital:8765", TOKEN)


@pytest.mark.parametrize("address", ["", "gpu:1", "ftp://gpu", "https://", "https://me:pw@gpu", "https://gpu/path"])
def test_addresses_that_are_none_are_refused(address: str) -> None:
    with pytest.raises(ServerError, match="Expected an address"):
        Server(address, TOKEN)


def test_short_tokens_are_refused() -> None:
    with pytest.raises(StriqError, match="at least 16"):
        Settings(host="127.0.0.1", port=0, token="short")


def test_token_file_is_made_for_its_owner_only_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = read_or_make_token(path)
    assert len(token) >= 32
    assert path.stat().st_mode & 0o077 == 0
    assert read_or_make_token(path) == token
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(StriqError, match="empty file"):
        read_or_make_token(tmp_path / "empty")


def test_tls_by_a_certificate_file(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    try:
        subprocess.run([*command, *names], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl")
    server = serve([sys.executable, "-c", ECHO], certificate=certificate, key=key)
    try:
        trusted = Server(f"https://localhost:{server.port}", TOKEN, certificate)
        assert describe_server(trusted)["devices"] == DEVICES
        with pytest.raises(ServerError, match="certificate"):
            describe_server(dataclasses.replace(trusted, certificate=None))
        with pytest.raises(ServerError, match="cannot be read"):
            describe_server(dataclasses.replace(trusted, certificate=tmp_path / "absent.pem"))
    finally:
        server.stop()
    assert ssl.TLSVersion.TLSv1_2 <= server._server.socket.context.minimum_version  # type: ignore[attr-defined]
