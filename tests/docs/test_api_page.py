"""Tests that the page of the Python interface shows what there is, with a docstring."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
from documents import ROOT

PAGE = (ROOT / "docs" / "api" / "index.rst").read_text(encoding="utf-8")
NAMES = re.findall(r"^\.\. auto(?:function|class):: ([\w.]+)", PAGE, flags=re.MULTILINE)
MEMBERS = re.findall(r":: ([\w.]+)\n   :members: ([\w, ]+)", PAGE)


def find(name: str) -> Any:
    """Return what a dotted name stands for."""
    module, _, member = name.rpartition(".")
    return getattr(importlib.import_module(module), member)


def test_page_shows_the_whole_public_interface() -> None:
    import striq

    named = {find(name).__name__ for name in NAMES}
    assert len(NAMES) > 20
    assert {name for name in striq.__all__ if not name.startswith("__")} <= named


@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_names_exists_and_is_documented(name: str) -> None:
    assert (find(name).__doc__ or "").strip()


@pytest.mark.parametrize(("owner", "members"), MEMBERS)
def test_members_that_the_page_names_exist(owner: str, members: str) -> None:
    try:
        holder = importlib.import_module(owner)
    except ModuleNotFoundError:
        holder = find(owner)
    assert [member for member in members.split(", ") if not hasattr(holder, member)] == []
