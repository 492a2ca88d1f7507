"""HTTP server of scoring processes, for clients on other computers; see :mod:`striq.service.http_protocol`."""

from __future__ import annotations

import json
import re
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import striq
from striq.bearer_tokens import is_authorized
from striq.errors import StriqError, unexpected
from striq.service.answers import PROTOCOL
from striq.service.http_protocol import (
    LONGEST_WAIT_S,
    LOOPBACK,
    MAX_BYTES,
    MAX_COMMAND_BYTES,
    MIN_TOKEN_LENGTH,
    SILENCE_S,
)
from striq.service.http_sessions import Session, Sessions
from striq.service.local_process import LocalProcess

BLOCK_BYTES = 2**20
SESSION = re.compile(r"/v1/sessions/([\w-]+)(?:/(commands|answers|files/([\w.]+)))?")


@dataclass(frozen=True)
class Settings:
    """How a server listens.

    Attributes:
        host: Address to listen on. Other computers can reach it only if it is not a loopback address.
        port: Port; 0 for any that is free.
        token: Secret that every request carries.
        certificate: File of the certificate and its chain; needed where other computers can reach the server.
        key: File of its private key; ``None`` if it is in the same file.
        model: Model or bundle that is scored with; ``None`` for the shipped one.
        max_bytes: Largest request.
        max_sessions: Largest number of scoring processes.
        idle_s: How long a session may be unused.
    """

    host: str
    port: int
    token: str
    certificate: Path | None = None
    key: Path | None = None
    model: str | None = None
    max_bytes: int = MAX_BYTES
    max_sessions: int = 2
    idle_s: float = 600.0

    def __post_init__(self) -> None:
        if len(self.token) < MIN_TOKEN_LENGTH or not self.token.isascii():
            msg = f"The token must have at least {MIN_TOKEN_LENGTH} ASCII characters, got {len(self.token)}."
            raise StriqError(msg)
        if self.host not in LOOPBACK and self.certificate is None:
            msg = (
                f"{self.host} can be reached by other computers, so frames and token would travel in the open. "
                "Give a certificate, or listen on 127.0.0.1 behind a tunnel."
            )
            raise StriqError(msg)


class FrameServer:
    """Answers requests in threads of its own.

    Args:
        settings: How it listens.
        devices: Names and labels of the devices that can be chosen.
        command: Program of a scoring process.

    Raises:
        StriqError: If it cannot listen, or the certificate cannot be read.
    """

    def __init__(
        self, settings: Settings, devices: Sequence[dict[str, str]], command: Sequence[str] | None = None
    ) -> None:
        program = list(command or [sys.executable, "-m", "striq.service"])
        self.settings, self.devices = settings, list(devices)
        self.sessions = Sessions(
            lambda: LocalProcess(program, None), settings.model, settings.max_sessions, settings.idle_s
        )
        try:
            self._server = ThreadingHTTPServer((settings.host, settings.port), _handler_of(self))
        except OSError as error:
            msg = f"Cannot listen on {settings.host}:{settings.port} ({error.strerror}). Choose another port."
            raise StriqError(msg) from error
        self._server.daemon_threads = True
        if settings.certificate is not None:
            self._server.socket = _context(settings).wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )

    @property
    def port(self) -> int:
        """Port that it listens on."""
        return self._server.server_address[1]

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, name="http", daemon=True).start()

    def stop(self) -> None:
        """Stop answering and end all scoring processes."""
        self._server.shutdown()
        self._server.server_close()
        self.sessions.stop()


def _context(settings: Settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cast("Path", settings.certificate), settings.key)
    except (OSError, ssl.SSLError) as error:
        msg = f"{settings.certificate}: this certificate or its key cannot be read ({error}). Expected PEM files."
        raise StriqError(msg) from error
    return context


def _handler_of(server: FrameServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        frame_server = server

    return Handler


class _Refused(Exception):  # noqa: N818 (not an error of the server)
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "striq", ""
    timeout = SILENCE_S
    frame_server: FrameServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Write nothing: requests are those of patients."""

    def do_GET(self) -> None:
        """Answer a request for information."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Answer a request that starts something."""
        self._answer(self._post)

    def do_DELETE(self) -> None:
        """Answer a request to end a session."""
        self._answer(self._delete)

    def _answer(self, respond: Callable[[str], dict[str, Any] | bytes]) -> None:
        try:
            self._authorize()
            content, status = respond(urlsplit(self.path).path), HTTPStatus.OK
        except _Refused as refused:
            self.close_connection = True  # the rest of the request is not read
            content, status = {"error": str(refused)}, refused.status
        except (StriqError, OSError, ValueError) as error:
            self.close_connection = True
            content, status = {"error": str(error)}, HTTPStatus.BAD_REQUEST
        except Exception as error:  # no request may end the server
            self.close_connection = True
            content, status = {"error": unexpected(error)}, HTTPStatus.INTERNAL_SERVER_ERROR
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header(
            "Content-Type", "application/octet-stream" if isinstance(content, bytes) else "application/json"
        )
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _authorize(self) -> None:
        if not is_authorized(self.headers.get("Authorization", ""), self.frame_server.settings.token):
            raise _Refused(HTTPStatus.UNAUTHORIZED, "The token is wrong. Ask whoever runs the server for it.")

    def _get(self, path: str) -> dict[str, Any] | bytes:
        server = self.frame_server
        if path == "/v1/about":
            described = {"protocol": PROTOCOL, "version": striq.__version__, "devices": server.devices}
            return {**described, "max_bytes": server.settings.max_bytes}
        session, part, name = self._session(path)
        if part == "answers":
            asked = parse_qs(urlsplit(self.path).query).get("wait", ["0"])[0]
            return session.answers(min(float(asked), LONGEST_WAIT_S))
        content = session.file(name) if name else None
        if content is None:
            raise _Refused(HTTPStatus.NOT_FOUND, f"There is no {path}.")
        return content

    def _post(self, path: str) -> dict[str, Any]:
        length = self._length()
        if path == "/v1/sessions":
            self.rfile.read(length)
            return {"session": self.frame_server.sessions.open()}
        session, part, _name = self._session(path)
        if part != "commands":
            raise _Refused(HTTPStatus.NOT_FOUND, f"There is no {path}.")
        line = self.rfile.readline(min(length, MAX_COMMAND_BYTES))
        command = json.loads(line)
        if not isinstance(command, dict):
            raise _Refused(HTTPStatus.BAD_REQUEST, "Expected a JSON object on the first line.")
        with tempfile.TemporaryDirectory(prefix="striq-upload-") as folder:
            pictures = self._receive(Path(folder) / "frames.npy", length - len(line)) if length > len(line) else None
            session.send(cast("dict[str, Any]", command), pictures)
        return {}

    def _delete(self, path: str) -> dict[str, Any]:
        found = SESSION.fullmatch(path)
        if found is None or found[2]:
            raise _Refused(HTTPStatus.NOT_FOUND, f"There is no {path}.")
        self.frame_server.sessions.close(found[1])
        return {}

    def _session(self, path: str) -> tuple[Session, str, str]:
        found = SESSION.fullmatch(path)
        session = None if found is None else self.frame_server.sessions.find(found[1])
        if found is None or session is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "There is no such session. It may have ended because nobody used it.")
        return session, found[2] or "", found[3] or ""

    def _length(self) -> int:
        text = self.headers.get("Content-Length", "")
        if not text.isdecimal() or "Transfer-Encoding" in self.headers:
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "Expected the header Content-Length, a number of bytes.")
        length, limit = int(text), self.frame_server.settings.max_bytes
        if length > limit:
            text = f"The request has {length} bytes; the server takes up to {limit}. Send fewer frames at a time."
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
        return length

    def _receive(self, path: Path, length: int) -> Path:
        with path.open("wb") as stream:
            while length > 0:
                block = self.rfile.read(min(BLOCK_BYTES, length))
                if not block:
                    raise _Refused(HTTPStatus.BAD_REQUEST, "The request ended before its last byte.")
                stream.write(block)
                length -= len(block)
        return path
