"""``striq listen``: score for programs on other computers."""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from striq.bearer_tokens import read_token
from striq.commands.terminal import say
from striq.errors import StriqError
from striq.service.http_protocol import MAX_BYTES
from striq.signals import ending_on_signals

PORT, MEGABYTE = 8765, 2**20


def listen(
    token_file: Annotated[
        Path, typer.Option(help="File of the secret that clients must know; it is made if it does not exist.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on; others than this computer need --certificate.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = PORT,
    certificate: Annotated[Path | None, typer.Option(help="PEM file of the certificate and its chain.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file of its private key, if it is a file of its own.")] = None,
    model: Annotated[str | None, typer.Option(help="Model, bundle or 'light'; the shipped one by default.")] = None,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Largest request.")] = MAX_BYTES // MEGABYTE,
    max_sessions: Annotated[int, typer.Option(min=1, help="Largest number of clients at a time.")] = 2,
    idle_minutes: Annotated[float, typer.Option(min=0.1, help="End the process of a client silent for so long.")] = 10,
) -> None:
    """Score frames for 3D Slicer on other computers, over HTTP with a token."""
    from striq.service.http_server import FrameServer, Settings

    settings = Settings(
        host=host,
        port=port,
        token=read_or_make_token(token_file),
        certificate=certificate,
        key=key,
        model=model,
        max_bytes=max_megabytes * MEGABYTE,
        max_sessions=max_sessions,
        idle_s=60 * idle_minutes,
    )
    server = FrameServer(settings, devices())
    server.start()
    scheme = "http" if certificate is None else "https"
    say(f"Listening on {scheme}://{host}:{server.port}, token in {token_file}. Ctrl+C ends it.")
    with ending_on_signals():
        try:
            threading.Event().wait()
        finally:
            server.stop()


def read_or_make_token(path: Path) -> str:
    """Return the secret in a file; a file that does not exist is written, for its owner only.

    Raises:
        StriqError: If the file is empty or more than one line.
        OSError: If it cannot be read or written.
    """
    with suppress(FileExistsError):
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(made, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(32) + "\n")
    if not path.read_text(encoding="utf-8").strip():
        msg = f"{path}: expected a secret, got an empty file. Remove it, and a new secret is made."
        raise StriqError(msg)
    return read_token(str(path))


def devices() -> list[dict[str, str]]:
    """Return names and labels of the devices of this computer that can be chosen."""
    import torch

    found = [{"name": "cpu", "label": "CPU"}]
    found += [
        {"name": f"cuda:{number}", "label": f"GPU {number}: {torch.cuda.get_device_name(number)}"}
        for number in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        found.append({"name": "mps", "label": "Apple GPU"})
    return found
