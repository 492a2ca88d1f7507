"""Certificates for tests of TLS, made by the command ``openssl``."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from striq.serve.settings import Tls


def make_authority(folder: Path) -> Path:
    """Return the certificate of an authority; its key lies beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("the command 'openssl' is not installed")
    folder.mkdir(parents=True)
    _openssl(
        f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout {folder}/ca.key -out {folder}/ca.pem"
    )
    return folder / "ca.pem"


def make_tls(authority: Path, name: str) -> Tls:
    """Return a certificate for this machine, signed by an authority."""
    folder = authority.parent
    key, request, certificate = (folder / f"{name}.{suffix}" for suffix in ("key", "csr", "pem"))
    (folder / "names.txt").write_text("subjectAltName=IP:127.0.0.1\n", encoding="ascii")
    _openssl(f"req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {key} -out {request}")
    _openssl(
        f"x509 -req -in {request} -CA {authority} -CAkey {folder}/ca.key -CAcreateserial -days 2 "
        f"-extfile {folder}/names.txt -out {certificate}"
    )
    return Tls(str(certificate), str(key), str(authority))


def _openssl(arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], check=True, capture_output=True)
