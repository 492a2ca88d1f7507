"""Tests of ``striq.service.requests``: commands from lines of JSON."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from striq.service.requests import COMMANDS, TYPES, Cancel, Explain, Load, Malformed, Score, Stop, parse_request


def parse(**command: Any) -> Any:
    return parse_request(json.dumps(command))


def test_commands_are_parsed_with_their_defaults() -> None:
    assert parse(command="load") == Load(id=None, model=None, device="auto", precision="float32", engine="auto")
    assert parse(command="score", id=2, file="c.dcm") == Score(id=2, file="c.dcm", plane="auto", threshold=None)
    assert parse(command="cancel", id="a") == Cancel(id="a")
    assert parse(command="stop") == Stop()


def test_every_field_of_a_command_arrives() -> None:
    given: dict[str, Any] = {
        "frames": "f.npy",
        "source": "stream",
        "times_s": [0, 0.5],
        "spacing_mm": [0.3, 0.4],
        "plane": "a4c",
    }
    assert parse(command="score", id=1, threshold=1, **given) == Score(id=1, threshold=1, **given)
    explain = parse(command="explain", id=1, index=3, folder="maps", **given)
    assert explain == Explain(id=1, index=3, folder="maps", **given)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ({"command": "explain", "file": "c.dcm", "index": 1}, "It needs 'folder', a string."),
        ({"command": "explain", "file": "c.dcm", "folder": "m"}, "It needs 'index', a whole number."),
        ({"command": "explain", "file": "c", "folder": "m", "index": 1.5}, "'index' must be a whole number, got 1.5."),
        ({"command": "explain", "file": "c", "folder": "m", "index": True}, "'index' must be a whole number, got True"),
        ({"command": "explain", "file": "c", "folder": "m", "index": -1}, "'index' must be at least 0, got -1."),
        ({"command": "load", "model": 3}, "'model' must be a string or null, got 3."),
        ({"command": "load", "device": None}, "'device' must be a string, got None."),
        ({"command": "score"}, "Expected either 'file' or 'frames', got file=None and frames=None."),
        ({"command": "score", "file": "c", "frames": "f"}, "Expected either 'file' or 'frames'"),
        ({"command": "score", "file": "c", "treshold": 0.5}, "It has no field 'treshold'; its fields are: id, file,"),
        ({"command": "score", "file": "c", "threshold": "0.5"}, "'threshold' must be a number or null, got '0.5'."),
        ({"command": "score", "file": "c", "threshold": float("nan")}, "'threshold' must be a number or null, got nan"),
        ({"command": "score", "file": "c", "threshold": 50}, "'threshold' must be from 0 to 1, got 50."),
        ({"command": "score", "frames": "f", "times_s": 0.1}, "'times_s' must be a list of numbers or null, got 0.1."),
        ({"command": "score", "frames": "f", "times_s": ["a"]}, "'times_s' must be a list of numbers or null"),
        ({"command": "score", "frames": "f", "spacing_mm": [1]}, "'spacing_mm' must be two numbers (row, column)"),
        ({"command": "cancel", "file": "c"}, "It has no field 'file'; its fields are: id."),
    ],
)
def test_wrong_fields_are_named(command: dict[str, Any], reason: str) -> None:
    found = parse(**command, id=7)
    assert isinstance(found, Malformed)
    assert reason in found.reason
    assert repr(command["command"]) in found.reason
    assert found.id == 7


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("no json", "'no json' is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", "'[1]' is not an object with a 'command'"),
        ("{}", "is not an object with a 'command'"),
        ('{"command": 1}', "is not an object with a 'command'"),
        (
            '{"command": "fly"}',
            "The command 'fly' is unknown. Expected one of: load, score, explain, find, read, report, cancel, stop.",
        ),
    ],
)
def test_lines_that_are_no_command_are_told_apart(line: str, reason: str) -> None:
    found = parse_request(line)
    assert isinstance(found, Malformed)
    assert reason in found.reason
    assert len(found.reason) < 250


def test_id_that_is_none_is_refused_and_not_returned() -> None:
    found = parse(command="load", id=[1])
    assert isinstance(found, Malformed)
    assert "'id' must be a whole number or a string or null, got [1]." in found.reason
    assert found.id is None


def test_type_of_every_field_can_be_checked() -> None:
    for command in COMMANDS.values():
        for field in fields(command):
            assert set(str(field.type).split(" | ")) <= TYPES.keys()


HOSTILE = [
    "",
    "null",
    "[]",
    "7",
    '"text"',
    "{",
    "\0",
    "\ufffd",
    "[" * 100_000,
    '{"command":' * 5000,
    '{"command": "load", "model": ' + "[" * 900 + "]" * 900 + "}",
    '{"command": ["load"]}',
    '{"command": null, "id": 1}',
    '{"command": "load", "id": {"a": 1}}',
    '{"command": "load", "id": NaN}',
    '{"command": "load", "model": "' + "x" * 10**6 + '", "device": 7}',
    '{"command": "' + "x" * 10**6 + '"}',
    '{"command": "load", "' + "x" * 10**6 + '": 1}',
    '{"command": "score", "file": "a", "threshold": NaN}',
    '{"command": "score", "file": "a", "threshold": 1e999}',
    '{"command": "score", "file": "a", "threshold": true}',
    '{"command": "score", "file": "a", "times_s": [1, "2"]}',
    '{"command": "score", "file": "a", "spacing_mm": [1, 2, 3]}',
    '{"command": "score", "file": 5}',
    '{"command": "explain", "file": "a", "index": 1.5, "folder": "x"}',
    '{"command": "explain", "file": "a", "index": -' + "9" * 5000 + ', "folder": "x"}',
]


@pytest.mark.parametrize("line", HOSTILE, ids=lambda line: line[:40])
def test_any_line_is_a_command_or_a_short_complaint(line: str) -> None:
    found = parse_request(line)
    assert isinstance(found, Malformed)
    assert len(found.reason) < 700
