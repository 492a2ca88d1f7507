"""Tests of ``striq.scoring.prefetch``."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from striq.scoring.prefetch import prefetch


def counting(made: list[int], stop: int) -> Iterator[int]:
    for number in range(stop):
        made.append(number)
        yield number


def test_items_come_in_order() -> None:
    assert list(prefetch(counting([], 20))) == list(range(20))


def test_the_next_item_is_made_while_the_present_one_is_used() -> None:
    begun = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        begun.set()
        yield 1

    iterator = prefetch(items())
    assert next(iterator) == 0
    assert begun.wait(timeout=10)
    assert list(iterator) == [1]


def test_no_more_than_one_item_waits() -> None:
    made: list[int] = []
    iterator = prefetch(counting(made, 100))
    next(iterator)
    next(iterator)
    iterator.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert len(made) <= 3


def test_an_error_is_raised_where_the_item_would_have_been() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise ValueError("broken frame")

    iterator = prefetch(items())
    assert next(iterator) == 0
    with pytest.raises(ValueError, match="broken frame"):
        next(iterator)
