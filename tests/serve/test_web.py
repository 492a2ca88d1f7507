from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from striq.errors import StriqError
from striq.serve.settings import Http
from striq.serve.web import WebServer
from tests.serve.conftest import Bench, write_object


@contextmanager
def serving(bench: Bench, health: Any = lambda: (True, {}), **settings: Any) -> Iterator[str]:
    server = WebServer(Http(port=0, **settings), bench.metrics.registry, health)
    server.start()
    assert server.port
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


def test_health_and_metrics(bench: Bench, tmp_path: Path) -> None:
    bench.receive(write_object(tmp_path / "a.dcm"))
    state = {"is_well": True}
    with serving(bench, lambda: (state["is_well"], {"failing": []})) as url:
        assert requests.get(f"{url}/health", timeout=5).json() == {"status": "ok", "failing": []}
        lines = requests.get(f"{url}/metrics", timeout=5).text.splitlines()
        assert 'striq_queue_objects{state="waiting"} 1.0' in lines
        assert 'striq_objects_received_total{origin="test"} 1.0' in lines
        state["is_well"] = False
        assert requests.get(f"{url}/health", timeout=5).status_code == 503
        assert requests.get(f"{url}/other", timeout=5).status_code == 404
        assert requests.post(f"{url}/health", timeout=5).status_code == 405


def test_a_token_is_asked_for(bench: Bench, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token\n", encoding="utf-8")
    with serving(bench, token_file=str(token)) as url:
        for header in ("", "Bearer wrong", "Bearer ", "a-token"):
            answer = requests.get(f"{url}/metrics", headers={"Authorization": header}, timeout=5)
            assert answer.status_code == 401
            assert "striq_" not in answer.text
        assert requests.get(f"{url}/metrics", headers={"Authorization": "Bearer a-token"}, timeout=5).ok


@pytest.mark.parametrize("text", ["", "two words", "two\nlines"])
def test_a_file_that_is_no_token_is_told(bench: Bench, tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text, encoding="utf-8")
    with pytest.raises(StriqError, match="expected one token on one line"):
        WebServer(Http(token_file=str(tmp_path / "token")), bench.metrics.registry, lambda: (True, {}))
