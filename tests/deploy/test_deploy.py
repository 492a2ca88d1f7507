"""Tests of the files for deployment: they fit one another, the package and the service."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from striq.cli import app
from striq.serve.settings import ServeSettings
from striq.serve.settings_file import read_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
INSTRUCTIONS = {"FROM", "WORKDIR", "COPY", "ARG", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"}
TOKEN = "4f1c"


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def arguments(instruction: str) -> list[str]:
    return [rest for word, rest in instructions() if word == instruction]


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def settings(tmp_path: Path) -> ServeSettings:
    """The settings for the container, with a token that is there."""
    (tmp_path / "token").write_text(TOKEN)
    text = (DEPLOY / "striq.toml").read_text(encoding="utf-8")
    assert 'token_file = "/run/secrets/striq_token"' in text
    (tmp_path / "striq.toml").write_text(
        text.replace("/run/secrets/striq_token", f"{tmp_path}/token"), encoding="utf-8"
    )
    return read_settings(tmp_path / "striq.toml")


def unit() -> str:
    return (DEPLOY / "striq.service").read_text(encoding="utf-8")


def check_command(words: list[str]) -> None:
    """Check that a call of striq names a command and options that exist."""
    program, command, *rest = words
    assert Path(program).name == "striq"
    known = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    options = {name for parameter in known.params for name in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= options


def test_the_dockerfile_has_known_instructions_and_ends_without_root() -> None:
    words = [word for word, _ in instructions()]
    assert set(words) <= INSTRUCTIONS
    assert words.index("USER") < words.index("CMD")
    assert arguments("USER") == ["striq"]
    assert all(":" in image and "latest" not in image for image in arguments("FROM"))


def test_the_dockerfile_copies_what_is_there_and_not_left_out() -> None:
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    for copied in arguments("COPY"):
        *sources, _ = [word for word in copied.split() if not word.startswith("--")]
        for source in sources if "--from" not in copied else []:
            assert (ROOT / source).exists(), source
            assert source.removeprefix("./") in kept
    forced = re.findall(r'^"([^"]+)" = "striq/bundle', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert {source.split("/")[0] for source in forced} <= kept  # else the wheel cannot be built


def test_the_dockerfile_installs_the_tested_torch_and_an_extra_that_exists() -> None:
    run = " ".join(arguments("RUN"))
    assert re.findall(r"torch==([\d.]+)", run) == re.findall(r"torch==([\d.]+)", (ROOT / "Makefile").read_text())[:1]
    (extra,) = re.findall(r'"\.\[(\w+)\]"', run)
    assert re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)


def test_the_container_starts_the_service() -> None:
    check_command(json.loads(arguments("CMD")[0]))
    assert json.loads(arguments("HEALTHCHECK")[0].partition("CMD ")[2])[1] == "/opt/striq/healthcheck.py"


def test_ports_and_titles_agree(settings: ServeSettings) -> None:
    orthanc = json.loads((DEPLOY / "orthanc/orthanc.json").read_text())
    assert arguments("EXPOSE") == [f"{settings.storage.port} {settings.http.port}"]
    assert orthanc["DicomModalities"]["striq"] == [settings.storage.ae_title, "striq", settings.storage.port]
    assert settings.storage.calling_ae_titles == (orthanc["DicomAet"],)
    (destination,) = settings.destinations
    assert (destination.host, destination.port, destination.ae_title) == ("orthanc", orthanc["DicomPort"], "ORTHANC")
    assert set(compose()["services"]) == {"orthanc", "striq"}


def test_compose_defines_what_it_names() -> None:
    found = compose()
    for name, service in found["services"].items():
        assert set(service["networks"]) <= set(found["networks"])
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith(".") else source in found["volumes"], (name, source)
        used = {secret if isinstance(secret, str) else secret["source"] for secret in service["secrets"]}
        assert used <= set(found["secrets"])
        assert ":latest" not in service["image"]
    assert (DEPLOY / found["services"]["striq"]["build"]["context"] / "deploy/Dockerfile").is_file()


def test_only_dicom_to_the_pacs_is_open_to_the_network(settings: ServeSettings) -> None:
    ports = {name: service["ports"] for name, service in compose()["services"].items()}
    is_open = [port for of in ports.values() for port in of if not port.startswith("127.0.0.1:")]
    assert is_open == ["4242:4242"]
    assert settings.http.token_file
    assert compose()["services"]["striq"]["cap_drop"] == ["ALL"]
    assert "secrets/" in (DEPLOY / ".gitignore").read_text()


def test_the_unit_starts_the_service() -> None:
    starts = re.findall(r"^ExecStart\w*=(.*)$", unit(), flags=re.MULTILINE)
    assert len(starts) == 2
    for start in starts:
        check_command(shlex.split(start))


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    file = tmp_path / "striq.service"
    file.write_text(unit().replace("/opt/striq/bin/striq", "/bin/true"), encoding="utf-8")
    ran = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in ran.stderr.splitlines() if "striq.service" in line]
    assert complaints == []


class Health(BaseHTTPRequestHandler):
    """Answers as the service does: 401 without the token, else the server's status."""

    def do_GET(self) -> None:
        authorized = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        self.send_response(self.server.status if authorized else 401)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Health) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening
        listening.shutdown()


@pytest.mark.parametrize(("status", "token", "expected"), [(200, TOKEN, 0), (503, TOKEN, 1), (200, "wrong", 1)])
def test_the_container_is_healthy_if_the_service_says_so(
    server: HTTPServer, tmp_path: Path, status: int, token: str, expected: int
) -> None:
    server.status = status  # type: ignore[attr-defined]
    (tmp_path / "token").write_text(f"{token}\n")
    url = f"http://127.0.0.1:{server.server_port}/health"
    given = {"STRIQ_HEALTH_URL": url, "STRIQ_TOKEN_FILE": str(tmp_path / "token")}
    command = [sys.executable, DEPLOY / "healthcheck.py"]
    assert subprocess.run(command, env=given, timeout=60, check=False).returncode == expected


def test_the_health_check_needs_the_standard_library_alone() -> None:
    tree = ast.parse((DEPLOY / "healthcheck.py").read_text(encoding="utf-8"))
    names = {name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    names |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= set(sys.stdlib_module_names)
