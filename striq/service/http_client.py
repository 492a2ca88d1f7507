"""A scoring process on a server for :class:`~striq.service.client.ServiceClient`: :mod:`striq.service.http_protocol`.

What is sent: pictures, without names, paths and dates. Of pictures that were read from a DICOM file, only the region of
the ultrasound image is sent, in the gray values of the file, so that they score as the file does.
"""

from __future__ import annotations

import http.client
import json
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from striq.service.http_protocol import LONGEST_WAIT_S, LOOPBACK, MAPS, SENT_FIELDS, SILENCE_S, WITH_FRAMES
from striq.service.process import LAST_EVENTS, Answer, ServiceError

CONNECT_S = 10.0
Box = tuple[int, int, int, int]


class ServerError(ServiceError):
    """A server cannot be used; the message says why."""


@dataclass(frozen=True)
class Server:
    """Address and secret of a server.

    Attributes:
        address: Such as ``https://gpu.example.org:8443``. Without TLS, only this computer can be named.
        token: Secret that its owner has given out.
        certificate: File of a certificate to trust beside those that the computer trusts.

    Raises:
        ServerError: If the address or the token cannot be used.
    """

    address: str
    token: str
    certificate: Path | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.username:
            msg = f"Expected an address such as https://server:8443, got {self.address!r}."
            raise ServerError(msg)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            msg = (
                f"{self.address}: without TLS, frames would travel in the open. Use https://, or a tunnel to 127.0.0.1."
            )
            raise ServerError(msg)
        if not self.token or not self.token.isascii() or any(letter.isspace() for letter in self.token):
            msg = (
                f"{self.address}: the token is empty or has characters that no token has. Ask the owner of the server."
            )
            raise ServerError(msg)

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection, which is opened at its first request.

        Raises:
            ServerError: If the certificate cannot be read.
        """
        parts = urlsplit(self.address)
        host = cast("str", parts.hostname)
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=CONNECT_S)
        context = ssl.create_default_context()
        if self.certificate is not None:
            try:
                context.load_verify_locations(self.certificate)
            except (OSError, ssl.SSLError) as error:
                msg = f"{self.certificate}: this certificate cannot be read ({error}). Expected a PEM file."
                raise ServerError(msg) from error
        return http.client.HTTPSConnection(host, parts.port, timeout=CONNECT_S, context=context)


def describe_server(server: Server) -> dict[str, Any]:
    """Return what a server says about itself: ``protocol``, ``version``, ``devices``, ``max_bytes``.

    Raises:
        ServerError: If it cannot be reached or refuses the token.
    """
    with _open(server) as ask:
        return cast("dict[str, Any]", json.loads(ask("GET", "/v1/about")))


Ask = Callable[..., bytes]


@contextmanager
def _open(server: Server) -> Generator[Ask, None, None]:
    """Yield a function that sends requests over one connection and returns the body of the answer."""
    connection = server.connect()

    def ask(method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {server.token}", "Content-Length": str(len(body or b""))}
        try:
            if connection.sock is None:
                connection.connect()
                opened = cast("socket.socket", connection.sock)
                opened.settimeout(SILENCE_S)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            msg = f"The server {server.address} cannot be reached or has stopped ({_words(error)}). Is it running?"
            raise ServerError(msg) from error
        if response.status != http.HTTPStatus.OK:
            msg = f"The server {server.address} refuses: {_error_in(content, response.status)}"
            raise ServerError(msg)
        return content

    try:
        yield ask
    finally:
        connection.close()


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _error_in(content: bytes, status: int) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {status}"


class RemoteProcess:
    """A scoring process on a server: one thread sends commands, another collects answers.

    Attributes:
        arrived: Answers in their order, then ``None``.

    Args:
        server: The server.
    """

    pid = 0  # no process of this computer
    exit_status: int | None = None

    def __init__(self, server: Server) -> None:
        self.arrived: queue.SimpleQueue[Answer | ServiceError | None] = queue.SimpleQueue()
        self._server, self._reason = server, ""
        self._session = ""
        self._has_session, self._has_ended = threading.Event(), threading.Event()
        self._outgoing: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        self._crops: dict[object, tuple[Box, tuple[int, int]]] = {}  # by command: what was sent of which pictures
        self._folders: dict[object, Path] = {}  # by command: where maps go
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._send_all, self._receive_all)]
        for thread in self._threads:
            thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it takes commands."""
        return not self._has_ended.is_set()

    def write(self, command: Mapping[str, Any]) -> None:
        """Send a command as soon as those before it are sent; does not wait.

        Raises:
            BrokenPipeError: If the process has ended.
        """
        if self._has_ended.is_set():
            raise BrokenPipeError
        self._outgoing.put(command)

    def read_to_end(self) -> None:
        """Do nothing: the last answers have arrived when the end is known."""

    def stderr_text(self) -> str:
        """Return why it ended."""
        return self._reason

    def stop(self, seconds: float) -> None:
        """End the process on the server, waiting so long for the server at most."""
        self._end("")
        for thread in self._threads[:1]:  # the other one waits for the server's answers
            thread.join(seconds)

    def _end(self, reason: str) -> None:
        if self._has_ended.is_set():
            return
        self._reason = reason
        self._has_ended.set()
        self._has_session.set()
        self._outgoing.put(None)
        self.arrived.put(None)

    def _send_all(self) -> None:
        try:
            with _open(self._server) as ask:
                self._session = f"/v1/sessions/{json.loads(ask('POST', '/v1/sessions'))['session']}"
                self._has_session.set()
                while (command := self._outgoing.get()) is not None and not self._has_ended.is_set():
                    self._send(ask, command)
        except Exception as error:  # a thread that ends must say why
            self._end(_words(error))
        finally:
            self._close_session()

    def _close_session(self) -> None:
        if self._session:
            with suppress(ServiceError, ValueError), _open(self._server) as ask:
                ask("DELETE", self._session)

    def _send(self, ask: Ask, command: Mapping[str, Any]) -> None:
        name, number = str(command["command"]), command.get("id")
        if name == "stop":
            return
        try:
            body = self._body(name, command)
        except (OSError, ValueError, ServiceError) as error:  # the pictures may be gone: the run was abandoned
            self.arrived.put({"event": "error", "id": number, "text": str(error)})
            return
        ask("POST", f"{self._session}/commands", body)

    def _body(self, name: str, command: Mapping[str, Any]) -> bytes:
        """Return the request of a command: only what :data:`SENT_FIELDS` names, and the pictures."""
        if command.get("model"):
            msg = "A server scores with its own model. Leave the model empty, or score on this computer."
            raise ServerError(msg)
        if name not in SENT_FIELDS or command.get("file"):
            msg = f"A server does not carry out {name!r} of a file. Score the pictures, or use this computer."
            raise ServerError(msg)
        fields = {key: command[key] for key in SENT_FIELDS[name] if command.get(key) is not None}
        line = json.dumps({"command": name, **fields}).encode() + b"\n"
        return line + self._pictures(command) if name in WITH_FRAMES else line

    def _pictures(self, command: Mapping[str, Any]) -> bytes:
        path, number = Path(command["frames"]), command.get("id")
        if "folder" in command:
            self._folders[number] = Path(command["folder"])
        if command.get("original"):
            from striq.service.cines import gray_of_original

            gray = gray_of_original(path, command["original"], command.get("original_index", 0))
            if gray is not None:
                pixels, crop = gray
                self._crops[number] = crop, _shape_of(path)
                return _npy(pixels)
        return path.read_bytes()

    def _receive_all(self) -> None:
        self._has_session.wait()
        if self._has_ended.is_set():
            return
        try:
            with _open(self._server) as ask:
                while not self._has_ended.is_set():
                    found = json.loads(ask("GET", f"{self._session}/answers?wait={LONGEST_WAIT_S:g}"))
                    for answer in found["answers"]:
                        self._take(ask, answer)
                    if "ended" in found:
                        self._end(f"The scoring process on the server ended: {found['ended']}")
        except Exception as error:  # a thread that ends must say why
            self._end(_words(error))

    def _take(self, ask: Ask, answer: Answer) -> None:
        """Bring an answer to what a process on this computer would have said, and hand it over."""
        number = answer.get("id")
        crop = self._crops.get(number)
        if crop is not None and "crop" in answer:
            (top, left, _bottom, _right), _shape = crop
            box = answer["crop"]
            answer["crop"] = [box[0] + top, box[1] + left, box[2] + top, box[3] + left]
        if answer["event"] == "explained":
            self._fetch_maps(ask, answer)
        if answer["event"] in LAST_EVENTS:
            self._crops.pop(number, None)
            self._folders.pop(number, None)
        self.arrived.put(answer)

    def _fetch_maps(self, ask: Ask, answer: Answer) -> None:
        folder, crop = self._folders.get(answer.get("id")), self._crops.get(answer.get("id"))
        if folder is None:
            return
        for name in MAPS:
            if not answer.get(name):
                continue
            content = ask("GET", f"{self._session}/files/{answer[name]}")
            if crop is not None and name != "anchor_picture":
                content = _on_whole_picture(content, *crop)
            path = folder / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            answer[name] = str(path)


def _npy(values: Any) -> bytes:
    import numpy as np

    stream = BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()


def _shape_of(path: Path) -> tuple[int, int]:
    import numpy as np

    height, width = np.load(path, mmap_mode="r", allow_pickle=False).shape[1:3]
    return height, width


def _on_whole_picture(content: bytes, crop: Box, shape: tuple[int, int]) -> bytes:
    """Return a map of the part that was sent on the pixels of the whole picture, NaN elsewhere."""
    import numpy as np

    top, left, bottom, right = crop
    whole = np.full(shape, np.nan, np.float32)
    whole[top:bottom, left:right] = np.load(BytesIO(content), allow_pickle=False)
    return _npy(whole)
