"""What is in this folder is written as the Model Zoo writes its tests, with unittest; all of it trains: it is slow."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
WARNINGS = ("DeprecationWarning", "UserWarning", "FutureWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
            for kind in WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{kind}"))
