"""HTTP server of ``/health`` and ``/metrics``."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from striq.bearer_tokens import is_authorized, read_token
from striq.errors import StriqError
from striq.serve.settings import Http

Health = Callable[[], tuple[bool, dict[str, Any]]]
CALLER_S = 10.0  # of silence after which a caller is dropped


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = CALLER_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Write nothing."""


class WebServer:
    """Answers requests.

    Args:
        settings: Where to listen.
        registry: Metrics.
        health: Returns whether all is well, and details.
    """

    def __init__(self, settings: Http, registry: CollectorRegistry, health: Health) -> None:
        self.settings, self.health = settings, health
        self._metrics = make_wsgi_app(registry, disable_compression=True)
        self._token = read_token(settings.token_file) if settings.token_file else ""
        self._server: WSGIServer | None = None

    def start(self) -> None:
        """Begin to listen.

        Raises:
            StriqError: If the address is in use.
        """
        address = (self.settings.host, self.settings.port)
        try:
            self._server = make_server(*address, self.answer, _Server, _Handler)
        except OSError as error:
            msg = f"http.port: cannot listen on {address[0]}:{address[1]} ({error.strerror}). Choose another port."
            raise StriqError(msg) from error
        threading.Thread(target=self._server.serve_forever, name="http", daemon=True).start()

    @property
    def port(self) -> int:
        """Port that it listens on; 0 before it does."""
        return self._server.server_port if self._server is not None else 0

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request; this is the WSGI application."""
        if self._token and not is_authorized(environ.get("HTTP_AUTHORIZATION", ""), self._token):
            return _reply(start_response, "401 Unauthorized", {"error": "a bearer token is needed"})
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _reply(start_response, "405 Method Not Allowed", {"error": "only GET"})
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return self._metrics(environ, start_response)
        if path == "/health":
            is_well, details = self.health()
            status = "200 OK" if is_well else "503 Service Unavailable"
            return _reply(start_response, status, {"status": "ok" if is_well else "failing", **details})
        return _reply(start_response, "404 Not Found", {"error": "expected /health or /metrics"})


def _reply(start_response: Callable[..., Any], status: str, value: dict[str, Any]) -> list[bytes]:
    body = json.dumps(value).encode() + b"\n"
    challenge = [("WWW-Authenticate", "Bearer")] if status.startswith("401") else []
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *challenge])
    return [body]
