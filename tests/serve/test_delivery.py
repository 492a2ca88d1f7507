from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from striq.serve.delivery import Delivery
from striq.serve.outbox import REPORT, Item
from striq.serve.queue import Arrival, DueStudy
from striq.serve.senders import RejectedError, Send, UnreachableError, WebhookSender
from striq.serve.settings import Webhook
from tests.serve.conftest import Bench


class Destination:
    """A destination that can be out of reach, or refuse."""

    def __init__(self) -> None:
        self.is_reachable, self.refuses = True, set[str]()
        self.got: list[str] = []
        self.sessions = 0

    @contextmanager
    def session(self) -> Generator[Send, None, None]:
        self.sessions += 1
        if not self.is_reachable:
            raise UnreachableError("no connection")
        yield self.send

    def send(self, path: Path, uid: str) -> None:
        assert path.read_bytes()
        if uid in self.refuses:
            raise RejectedError("status 0xA900")
        self.got.append(uid)


def delivery(bench: Bench, to: Any) -> Delivery:
    return Delivery("pacs", to, bench.layout, bench.outbox, bench.metrics, bench.log, bench.clock)


@pytest.fixture
def filled(bench: Bench) -> Bench:
    """A service with three reports to be sent."""
    bench.queue.add(Arrival("1.2", "1.2.1", "1.2.1.1", "digest", 1, "test"))
    (bench.layout.outbox / "x").write_bytes(b"report")
    items = [("pacs", Item(REPORT, f"1.9.{number}", "outbox/x")) for number in range(3)]
    bench.outbox.report_study(DueStudy(1, "1.2", 1, 0, 0), [1], items)
    return bench


def test_all_is_sent_in_one_session(filled: Bench) -> None:
    to = Destination()
    sending = delivery(filled, to)
    assert [sending.step(), sending.step()] == [3, 0]
    assert to.got == ["1.9.0", "1.9.1", "1.9.2"]
    assert to.sessions == 1


def test_a_destination_out_of_reach_is_tried_less_and_less_often_and_loses_nothing(filled: Bench) -> None:
    to = Destination()
    to.is_reachable = False
    sending, tried = delivery(filled, to), []
    for second in range(200):
        before = to.sessions
        sending.step()
        if to.sessions > before:
            tried.append(second)
        filled.clock.time += 1
    assert tried == [0, 5, 15, 35, 75, 115, 155, 195]  # 5 s, doubled, at most 40 s
    assert filled.outbox.counts() == {("pacs", "pending"): 3}
    to.is_reachable = True
    filled.clock.time += 40
    assert sending.step() == 3


def test_a_refused_report_does_not_hold_up_the_others_and_becomes_a_dead_letter(filled: Bench) -> None:
    to = Destination()
    to.refuses = {"1.9.1"}
    sending = delivery(filled, to)
    for _ in range(10):
        sending.step()
        filled.clock.time += 100
    assert to.got == ["1.9.0", "1.9.2"]
    (dead,) = filled.outbox.dead()
    assert (dead.instance_uid, dead.refusals, dead.error) == ("1.9.1", 3, "status 0xA900")
    to.refuses.clear()
    assert filled.outbox.retry_all() == 1
    assert sending.step() == 1
    assert not filled.outbox.dead()


def test_a_report_whose_file_is_gone_becomes_a_dead_letter(filled: Bench) -> None:
    (filled.layout.outbox / "x").unlink()
    sending = delivery(filled, Destination())
    for _ in range(3):
        sending.step()
        filled.clock.time += 100
    assert {dead.error for dead in filled.outbox.dead()} == {"its file is gone"}


@pytest.fixture
def hook() -> Iterator[HTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.server.headers.append(dict(self.headers))  # type: ignore[attr-defined]
            self.send_response(self.server.status)  # type: ignore[attr-defined]
            self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.headers, server.status = [], 204  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True, args=(0.02,)).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "refusals", "state"),
    [(204, 0, "sent"), (400, 1, "pending"), (500, 1, "pending"), (302, 1, "pending"), (401, 0, "pending")],
)
def test_webhooks_carry_a_token_and_an_identifier(
    filled: Bench, hook: HTTPServer, tmp_path: Path, status: int, refusals: int, state: str
) -> None:
    (tmp_path / "token").write_text("secret\n", encoding="utf-8")
    hook.status = status  # type: ignore[attr-defined]
    url = f"http://127.0.0.1:{hook.server_port}/"
    delivery(filled, WebhookSender(Webhook("pacs", url, token_file=str(tmp_path / "token")))).step()
    (headers, *_) = hook.headers  # type: ignore[attr-defined]
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Idempotency-Key"] == "1.9.0"
    row = filled.database.read("SELECT state, refusals FROM outbox ORDER BY number")[0]
    assert (row["state"], row["refusals"]) == (state, refusals)
    assert "secret" not in filled.lines.getvalue()
