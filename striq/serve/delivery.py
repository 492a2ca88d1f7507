"""Delivery: what is in the outbox goes to its destination, each item once."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from striq.serve.layout import Layout
from striq.serve.logs import Log
from striq.serve.metrics import Metrics
from striq.serve.outbox import MAX_DOUBLINGS, Outbox, Sending
from striq.serve.senders import RejectedError, Send, Sender, UnreachableError


class Delivery:
    """Sends to one destination.

    An item that was sent, but not noted as sent because the program ended in between, is sent again: it is the same
    instance with the same UID, which the destination keeps once.

    Args:
        name: Name of the destination.
        sender: Sends to it.
        layout: Paths of the service.
        outbox: What is to be sent.
        metrics: Metrics of the service.
        log: Log of the service.
        now: Returns the time in seconds since 1970.
    """

    def __init__(
        self,
        name: str,
        sender: Sender,
        layout: Layout,
        outbox: Outbox,
        metrics: Metrics,
        log: Log,
        now: Callable[[], float] = time,
    ) -> None:
        self.name, self.sender, self.layout, self.outbox = name, sender, layout, outbox
        self.metrics, self.log, self.now = metrics, log, now
        self._failures, self._resume = 0, 0.0

    def step(self) -> int:
        """Send what is due and return how many items were sent."""
        due = self.outbox.due(self.name) if self.now() >= self._resume else []
        if not due:
            return 0
        done, current = 0, due[0]
        try:
            with self.sender.session() as send:
                for current in due:
                    done += self._send(send, current)
        except UnreachableError as error:
            self._hold(current, str(error))
        return done

    def _send(self, send: Send, sending: Sending) -> bool:
        """Send one item; return whether the destination took it."""
        try:
            send(self.layout.root / sending.path, sending.instance_uid)
        except RejectedError as error:
            self._note(sending, str(error), refused=True)
            return False
        except FileNotFoundError:  # removed by hand
            self._note(sending, "its file is gone", refused=True)
            return False
        self._failures = 0
        self.outbox.mark_sent(sending.number)
        self.metrics.sent.labels(self.name, sending.kind).inc()
        self.metrics.send_latency.observe(max(0.0, self.now() - sending.created))
        return True

    def _hold(self, sending: Sending, reason: str) -> None:
        """Leave the destination alone for a while."""
        retry = self.outbox.retry
        wait = min(retry.first_s * 2 ** min(self._failures, MAX_DOUBLINGS), retry.longest_s)
        self._failures, self._resume = self._failures + 1, self.now() + wait
        self._note(sending, reason, refused=False)

    def _note(self, sending: Sending, reason: str, *, refused: bool) -> None:
        is_dead = self.outbox.postpone(sending, reason, refused=refused)
        kind = "refused" if refused else "unreachable"
        self.metrics.send_errors.labels(self.name, kind).inc()
        event = "dead letter" if is_dead else f"destination {kind}"
        self.log(event, level="warning", destination=self.name, item=sending.number, study=sending.study, reason=reason)
