from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import tomli

from striq.errors import StriqError
from striq.serve.requirements import PACKAGES, check_packages
from striq.serve.settings import Destination, ServeSettings
from striq.serve.settings_file import EXAMPLE, read_settings
from striq.toml_files import line_of


def read(tmp_path: Path, text: str) -> ServeSettings:
    path = tmp_path / "striq.toml"
    path.write_text(text, encoding="utf-8")
    return read_settings(path)


def errors(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(StriqError) as caught:
        read(tmp_path, text)
    return [line.removeprefix(f"{tmp_path / 'striq.toml'}") for line in str(caught.value).splitlines()]


def test_the_example_is_valid_and_a_folder_is_all_that_is_needed(tmp_path: Path) -> None:
    assert read_settings(EXAMPLE).destinations[0].ae_title == "ORTHANC"
    assert read(tmp_path, 'folder = "data"').storage.port == 11112


def uncommented() -> dict[str, Any]:
    """Return the example with every line that is commented out taken as it is."""
    text = re.sub(r"^# (?=\w+ = |\[|    \")", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return tomli.loads(text)


def defaults(kind: Any) -> dict[str, Any]:
    return {one.name: one.default for one in fields(kind)}


def test_the_example_shows_every_key_with_its_default() -> None:
    example = uncommented()
    assert set(example) == {one.name for one in fields(ServeSettings)}
    for name, default in defaults(ServeSettings).items():
        if not is_dataclass(default):
            continue
        shown, expected = example[name], defaults(type(default))
        assert set(shown) == set(expected), name
        for key, value in expected.items():
            if not isinstance(value, tuple) and value is not None:
                assert shown[key] == value, f"{name}.{key}"
    shown = {key for one in example["destinations"] for key in one} | {"tls"}
    assert shown == {one.name for one in fields(Destination)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('folder = "d"\n[storage]\nport = "11112"', [", line 3: storage.port: expected a whole number, got '11112'"]),
        (
            'folder = "d"\n[storage]\nport = 70000',
            [", line 3: storage.port: expected a number of at most 65535, got 70000"],
        ),
        (
            'folder = "d"\n[reports]\nquiet = 3',
            [
                ", line 3: reports.quiet: expected one of explain, key_objects, operators, pages, quiet_s, got an "
                "unknown key. Did you mean quiet_s?"
            ],
        ),
        ("[reports]\nquiet_s = 3", [": folder: expected a value, got none"]),
        (
            'folder = "d"\n[reports]\noperators = "some"',
            [", line 3: reports.operators: expected one of hashed, plain, none, got 'some'"],
        ),
        (
            'folder = "d"\n[[destinations]]\nname = "a"\nkind = "dicomweb"\nurl = "http://x"\n[[destinations]]\n'
            'name = "a"\nkind = "dicom"\nhost = "h"\nae_title = "A"',
            [
                ", line 7: destinations[2].name: expected a name that no other destination or webhook has, got 'a'",
            ],
        ),
        (
            'folder = "d"\n[[destinations]]\nname = "a"\nkind = "dicom"',
            [
                ", line 2: destinations[1].ae_title: expected a value, because kind is dicom, got none",
                ", line 2: destinations[1].host: expected a value, because kind is dicom, got none",
            ],
        ),
        (
            'folder = "d"\n[http]\nhost = "0.0.0.0"',
            [", line 2: http.token_file: expected a file with a token, because 0.0.0.0 is not loopback, got none"],
        ),
        (
            'folder = "d"\n[storage]\nsop_classes = ["CTImageStorag"]',
            [
                ", line 3: storage.sop_classes[1]: expected the keyword of a storage SOP class, such as "
                "UltrasoundImageStorage, got 'CTImageStorag'"
            ],
        ),
        (
            'folder = "d"\n[storage]\nenabled = false',
            [
                ", line 3: storage.enabled: expected true, or a table [[watch]] or [[dicomweb]], got nothing to take "
                "objects from"
            ],
        ),
        (
            'folder = "d"\n[storage.tls]\ncertificate = "no.pem"\nkey = "no.key"\nauthorities = "no.ca"',
            [
                f", line {line}: storage.tls.{key}: expected a file that exists, got '{file}'"
                for line, key, file in ((3, "certificate", "no.pem"), (4, "key", "no.key"), (5, "authorities", "no.ca"))
            ],
        ),
        (
            'folder = "d"\n[storage]\nae_title = "AN AE TITLE TOO LONG"\ncalling_ae_titles = [""]',
            [
                ", line 3: storage.ae_title: expected a text of at most 16 characters, got 'AN AE TITLE TOO LONG'",
                ", line 4: storage.calling_ae_titles[1]: expected a text of at least 1 character, got ''",
            ],
        ),
    ],
)
def test_an_error_names_key_line_expected_and_got(tmp_path: Path, text: str, expected: list[str]) -> None:
    found = errors(tmp_path, text)
    assert [line for line in found if "of the form" not in line] == expected


def test_several_errors_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    found = errors(tmp_path, 'folder = ""\n[disk]\nmax_gb = 0\n[http]\nport = "a"')
    assert [line.split(":")[0] for line in found] == [", line 1", ", line 3", ", line 5"]


def test_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    (found,) = errors(tmp_path, 'folder = "d"\nport = = 1\n')
    assert "is not TOML" in found
    assert "line 2" in found


def test_a_watched_folder_must_not_hold_the_service(tmp_path: Path) -> None:
    (found,) = errors(tmp_path, f'folder = "{tmp_path}/a/b"\n[[watch]]\nfolder = "{tmp_path}/a"')
    assert found.startswith(", line 3: watch[1].folder: expected a folder apart from 'folder'")


def test_a_shipped_model_may_be_given_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (found,) = errors(tmp_path, 'folder = "d"\n[scoring]\nmodel = "ligth"')
    expected = ", line 3: scoring.model: expected a file or folder that exists, or 'light', got 'ligth'."
    assert found == f"{expected} Did you mean 'light'?"
    (tmp_path / "s.toml").write_text('folder = "d"\n[scoring]\nmodel = "light"', encoding="utf-8")
    assert read_settings(tmp_path / "s.toml").scoring.model == "light"


def test_lines_are_found_in_lists_of_tables() -> None:
    text = "a = 1\n[[b]]\nx = 1\n[[b]]\nx = 2\n[b.c]\ny = 3\n"
    assert [line_of(text, key) for key in [("a",), ("b", 1, "x"), ("b", 1, "c", "y"), ("b", 0, "z"), ("q",)]] == [
        1,
        5,
        7,
        2,
        0,
    ]


def test_missing_packages_are_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    check_packages()
    monkeypatch.setitem(PACKAGES, "no_such_module", "no-such-package")
    with pytest.raises(StriqError, match=r"needs no-such-package\. Install the extra: pip install 'striq\[serve\]'"):
        check_packages()
