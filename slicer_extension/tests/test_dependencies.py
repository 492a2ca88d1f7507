"""Tests of the installation on first use; the installers are small stand-ins that record what is asked of them."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from subprocess import CalledProcessError

import pytest
import slicer
from conftest import Clicker
from UltrasoundPlaneQCLib import Dependencies
from UltrasoundPlaneQCLib.Logic import REQUIREMENTS


class Computer:
    """What is installed, and what was asked for in which order."""

    def __init__(self, *installed: str) -> None:
        self.installed = set(installed)
        self.asked: list[str] = []

    def installTorch(self, *, askConfirmation: bool, torchVersionRequirement: str) -> object:
        assert askConfirmation
        self.asked.append(f"torch{torchVersionRequirement}")
        self.installed.add("torch")
        return object()

    def pip_ensure(self, requirements: list[str], *, requester: str) -> None:
        assert requester == "UltrasoundPlaneQC"
        self.asked += requirements
        self.installed.add("striq")

    @staticmethod
    def load_requirements(path: Path) -> list[str]:
        return [line for line in Path(path).read_text().splitlines() if line and not line.startswith("#")]


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Computer:
    """A computer with nothing installed, whose Slicer has the PyTorch extension."""
    found = Computer()
    monkeypatch.setattr(Dependencies, "isInstalled", lambda package: package in found.installed)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace(PyTorchUtilsLogic=lambda: found))
    monkeypatch.setattr(slicer, "packaging", found, raising=False)
    return found


def test_torch_comes_first_and_from_its_extension(computer: Computer) -> None:
    Dependencies.ensureDependencies(REQUIREMENTS)
    assert computer.asked == ["torch>=2.8", "striq[dicom-sr]>=0.1"]


def test_nothing_is_asked_when_all_is_there(computer: Computer) -> None:
    computer.installed |= {"torch", "striq"}
    Dependencies.ensureDependencies(REQUIREMENTS)
    assert computer.asked == []


def test_missing_pytorch_extension_is_named(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(Dependencies.DependencyError, match="Install the PyTorch extension in the Extensions Manager"):
        Dependencies.ensureDependencies(REQUIREMENTS)
    assert computer.asked == []


def test_user_who_declines_torch_is_not_asked_for_more(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computer, "installTorch", lambda **_: None)
    with pytest.raises(Dependencies.DependencyError, match="PyTorch was not installed"):
        Dependencies.ensureDependencies(REQUIREMENTS)
    assert computer.asked == []


def test_older_slicer_asks_before_it_installs(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    computer.installed.add("torch")
    monkeypatch.delattr(slicer, "packaging")
    questions: list[str] = []
    commands: list[list[str]] = []
    answers = iter((False, True))

    def ask(question: str) -> bool:
        questions.append(question)
        return next(answers)

    def install(arguments: list[str]) -> None:
        commands.append(arguments)
        computer.installed.add("striq")

    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", ask)
    monkeypatch.setattr(slicer.util, "pip_install", install)
    with pytest.raises(Dependencies.DependencyError, match="were not installed"):
        Dependencies.ensureDependencies(REQUIREMENTS)
    assert commands == []
    Dependencies.ensureDependencies(REQUIREMENTS)
    assert commands == [["-r", str(REQUIREMENTS)]]
    assert len(questions) == 2


def test_failed_installation_names_a_way_out(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    computer.installed.add("torch")

    def fail(*_: object, **__: object) -> None:
        raise CalledProcessError(2, "pip")

    monkeypatch.setattr(computer, "pip_ensure", fail)
    with pytest.raises(Dependencies.DependencyError, match=r"requirements.txt failed with status 2.*install offline"):
        Dependencies.ensureDependencies(REQUIREMENTS)


def test_installed_packages_are_found_without_importing_them() -> None:
    assert Dependencies.isInstalled("numpy")
    assert not Dependencies.isInstalled("a-package-that-nobody-has")


class Extensions:
    """The Extensions Manager: notes what it is asked to install."""

    def __init__(self) -> None:
        self.interactive, self.asked = True, []

    def installExtensionFromServer(self, name: str, restart: bool) -> bool:
        self.asked.append((name, restart, self.interactive))
        return True


@pytest.fixture
def extensions(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> Extensions:
    """A Slicer without the PyTorch extension, used by a person."""
    manager = Extensions()
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    monkeypatch.setattr(slicer.app, "extensions", manager)
    monkeypatch.setattr(slicer.app, "isTesting", False)
    return manager


def test_pytorch_extension_is_installed_when_the_user_agrees(
    extensions: Extensions, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions: list[str] = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text: questions.append(text) or True)
    with pytest.raises(Dependencies.DependencyError, match=r"PyTorch is installed.*restart Slicer"):
        Dependencies.ensureDependencies(REQUIREMENTS)
    assert extensions.asked == [("PyTorch", False, False)]  # no restart before the scene is saved, no second question
    assert extensions.interactive  # as before, for other extensions
    assert "Download" in questions[0]


def test_pytorch_extension_is_not_fetched_without_consent(
    extensions: Extensions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text: False)
    with pytest.raises(Dependencies.DependencyError, match="Install the PyTorch extension"):
        Dependencies.ensureDependencies(REQUIREMENTS)
    assert extensions.asked == []


def test_click_on_score_installs_first_and_says_what_is_wrong(
    clicker: Clicker, browser, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computer, "installTorch", lambda **_: None)
    clicker.ui.inputSelector.setCurrentNode(browser)
    assert computer.asked == []  # nothing before the click
    clicker.click("scoreButton")
    assert "PyTorch was not installed" in clicker.ui.statusLabel.text
    assert clicker.panel.score.run is None
    assert clicker.ui.scoreButton.isEnabled()
