"""Tests of the Slicer extension that need neither Slicer nor Qt: its files agree with each other."""

from __future__ import annotations

import ast
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from PIL import Image

from striq.quality.terms import TERMS

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "slicer_extension" / "UltrasoundPlaneQC"
NAME = MODULE.name
LIB = MODULE / f"{NAME}Lib"
UI = MODULE / "Resources" / "UI" / f"{NAME}.ui"
WITH_QT = {
    "ChecklistTab",
    "CinesTab",
    "Controls",
    "DicomPanel",
    "InstallPanel",
    "Jobs",
    "LiveHintPanel",
    "LivePanel",
    "Picking",
    "RatersTab",
    "RemotePanel",
    "ResultsPanel",
    "ScorePanel",
    "Sections",
    "Shortcuts",
    "StudySection",
    "StudyTable",
    "TermBars",
    "Views",
    "WhyPanel",
    "Widget",
    f"{NAME}SubjectHierarchyPlugin",
}
PARTS = sorted(LIB.glob("*.py"))


def listed(path: Path, variable: str) -> set[str]:
    """Return the entries of a list in a CMake file."""
    found = re.search(rf"set\({variable}\s+(.*?)\)\s*\n", path.read_text() + "\n", re.DOTALL)
    assert found is not None, f"{path} has no {variable}"
    return set(found[1].replace("${MODULE_NAME}", NAME).split())


def test_cmake_lists_every_script() -> None:
    tests = MODULE.glob("Testing/Python/*Test.py")  # the module runs them itself
    present = {path.relative_to(MODULE).as_posix() for path in (*MODULE.glob("*.py"), *LIB.rglob("*.py"), *tests)}
    assert listed(MODULE / "CMakeLists.txt", "MODULE_PYTHON_SCRIPTS") == present


def test_cmake_lists_every_resource() -> None:
    present = {path.relative_to(MODULE).as_posix() for path in (MODULE / "Resources").rglob("*") if path.is_file()}
    assert listed(MODULE / "CMakeLists.txt", "MODULE_PYTHON_RESOURCES") == present


def test_cmake_lists_every_test() -> None:
    folder = MODULE / "Testing" / "Python"
    named = set(re.findall(r"SCRIPT (\S+?)\)", (folder / "CMakeLists.txt").read_text()))
    assert named == {path.name for path in folder.glob("*.py")}
    assert "add_subdirectory(Python)" in (folder.parent / "CMakeLists.txt").read_text()


def test_project_has_the_name_of_its_index_entry_and_all_metadata() -> None:
    text = (ROOT / "CMakeLists.txt").read_text()
    entry = ROOT / "slicer_extension" / "STRIQ.json"
    assert re.search(r"project\((\w+)\)", text)[1] == entry.stem  # type: ignore[index]
    for key in ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"):
        assert re.search(rf'^set\(EXTENSION_{key} ".+"\)$', text, re.MULTILINE), key
    assert "add_subdirectory(slicer_extension/UltrasoundPlaneQC)" in text
    content = json.loads(entry.read_text())
    assert {"$schema", "category", "scm_url"} <= set(content)
    assert content["category"] == "Ultrasound"
    assert content["build_dependencies"] == ["PyTorch"]


def test_screenshots_and_icon_that_the_index_shows_exist() -> None:
    text = (ROOT / "CMakeLists.txt").read_text()
    places = [url.split("/main/")[1] for url in re.findall(r"https://\S+?\.png", text)]
    assert len(places) == 6
    for place in places:
        with Image.open(ROOT / place) as picture:
            assert picture.format == "PNG"
    with Image.open(ROOT / places[0]) as icon:
        assert icon.size == (128, 128)


def test_module_file_is_short() -> None:
    assert len((MODULE / f"{NAME}.py").read_text().splitlines()) <= 120


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.stem)
def test_parts_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


def imported_at_file_scope(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
    return names


@pytest.mark.parametrize("path", [*PARTS, MODULE / f"{NAME}.py"], ids=lambda path: path.stem)
def test_start_up_imports_nothing_that_must_be_installed(path: Path) -> None:
    shipped_with_slicer = {
        "numpy",
        "slicer",
        "vtk",
        "qt",
        "ctk",
        "UltrasoundPlaneQCLib",
        "AbstractScriptedSubjectHierarchyPlugin",
    }
    standard = {
        "__future__", "base64", "collections", "concurrent", "contextlib", "dataclasses", "functools", "hashlib",
        "importlib",
        "itertools", "json", "logging", "math", "os", "pathlib", "queue", "re", "shutil", "signal", "subprocess",
        "sys", "tempfile", "threading", "time", "typing", "unittest", "urllib",
    }  # fmt: skip
    assert imported_at_file_scope(path) <= shipped_with_slicer | standard


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.stem)
def test_only_the_panel_knows_qt(path: Path) -> None:
    everywhere = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import)
        for name in (alias.name.split(".")[0] for alias in node.names)
    }
    assert path.stem in WITH_QT or not {"qt", "ctk"} & everywhere


def test_scene_layer_does_not_import_the_panel() -> None:
    for path in PARTS:
        if path.stem in WITH_QT or path.stem == "__init__":
            continue
        inside = {n.module for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom) and n.level}
        assert not WITH_QT & inside, path.name


def ui_names() -> set[str]:
    tree = ElementTree.parse(UI)
    return {widget.attrib["name"] for widget in tree.iter("widget")}


def names_made_in_code() -> set[str]:
    """Return the names of controls that a section makes itself."""
    return {name for path in PARTS for name in re.findall(r'setObjectName\("(\w+)"\)', path.read_text())}


def test_every_control_that_the_code_names_exists() -> None:
    used: set[str] = set()
    for path in (*PARTS, MODULE / f"{NAME}.py"):
        text = path.read_text()
        used |= set(re.findall(r"\bui\.(\w+)\b", text)) - {"resultsTableNode"}
        used |= set(re.findall(r'"(\w+(?:Button|Selector|Slider|CheckBox))"', text))
    assert used <= ui_names() | names_made_in_code()
    assert len(used) > 20


def test_types_of_controls_are_their_classes_in_the_ui() -> None:
    classes = {widget.attrib["name"]: widget.attrib["class"] for widget in ElementTree.parse(UI).iter("widget")}
    (controls,) = (node for node in ast.parse((LIB / "Controls.py").read_text()).body if isinstance(node, ast.ClassDef))
    declared = {
        node.target.id: node.annotation.attr
        for node in controls.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.annotation, ast.Attribute)
    }
    assert len(declared) > 30
    assert declared == {name: classes.get(name) for name in declared}


def test_acceptance_rule_is_that_of_the_package() -> None:
    # The panel applies the rule to saved scenes before striq is installed, so the extension has a copy.
    assert (LIB / "Verdict.py").read_bytes() == (ROOT / "striq" / "verdict.py").read_bytes()


def test_only_the_copied_rule_compares_a_quality_with_a_threshold() -> None:
    for path in PARTS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and path.stem != "Verdict":
                assert not {"quality", "threshold"} <= words(node), f"{path.name}:{node.lineno}"


def words(node: ast.AST) -> set[str]:
    """Return the names and attributes in an expression."""
    return {
        (part.id if isinstance(part, ast.Name) else part.attr).strip("_")
        for part in ast.walk(node)
        if isinstance(part, ast.Name | ast.Attribute)
    }


def test_nothing_in_the_extension_lists_the_terms() -> None:
    for path in (*PARTS, UI):
        text = path.read_text().lower()
        assert not [name for name in TERMS if re.search(rf"\b{name}", text)], path.name


def test_every_control_has_a_tooltip_and_names_are_unique() -> None:
    tree = ElementTree.parse(UI)
    names = [widget.attrib["name"] for widget in tree.iter("widget")]
    assert len(names) == len(set(names))
    plain = {"QLabel", "qMRMLWidget", "ctkCollapsibleButton"}
    for widget in tree.iter("widget"):
        if widget.attrib["class"] not in plain:
            assert widget.find("property[@name='toolTip']") is not None, widget.attrib["name"]


def test_ui_declares_every_class_that_qt_does_not_know() -> None:
    tree = ElementTree.parse(UI)
    used = {widget.attrib["class"] for widget in tree.iter("widget")}
    declared = {entry.findtext("class") for entry in tree.iter("customwidget")}
    assert {name for name in used if name.startswith(("ctk", "qMRML"))} == declared


def test_controls_that_choose_nodes_are_given_the_scene() -> None:
    tree = ElementTree.parse(UI)
    receivers = {connection.findtext("receiver") for connection in tree.iter("connection")}
    choosers = {
        w.attrib["name"] for w in tree.iter("widget") if w.attrib["class"] in ("qMRMLNodeComboBox", "qMRMLTableView")
    }
    assert receivers == choosers


def test_torch_is_left_to_its_extension() -> None:
    lines = (MODULE / "Resources" / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert wanted == ["striq[dicom-sr]>=0.1"]


SAYS = {
    *("setText", "setToolTip", "addAction", "SetTitle", "SetXAxisTitle", "SetYAxisTitle", "errorDisplay"),
    *("confirmOkCancelDisplay", "tryWithErrorDisplay", "SourceError", "WorkerError", "DependencyError", "QAction"),
}


def untranslated(path: Path) -> list[str]:
    """Return the texts that a file shows to the user without passing them through ``_``."""
    found = []
    for call in ast.walk(ast.parse(path.read_text())):
        if isinstance(call, ast.Call) and _name(call) in SAYS:
            found += [f"{path.name}:{text.lineno} {text.value!r}" for part in call.args for text in _bare(part)]
    return found


def _bare(node: ast.AST) -> list[ast.Constant]:
    """Return the words in an expression that are neither translated, nor a key, nor the format of a number."""
    if _name(node) == "_":
        return []
    if isinstance(node, ast.Constant):
        return [node] if isinstance(node.value, str) and any(letter.isalpha() for letter in node.value) else []
    if isinstance(node, ast.Subscript):
        return _bare(node.value)
    if isinstance(node, ast.FormattedValue):
        return _bare(node.value)
    return [word for child in ast.iter_child_nodes(node) for word in _bare(child)]


def _name(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@pytest.mark.parametrize("path", [*PARTS, MODULE / f"{NAME}.py"], ids=lambda path: path.stem)
def test_every_text_for_the_user_can_be_translated(path: Path) -> None:
    assert untranslated(path) == []


def test_text_that_cannot_be_translated_would_be_noticed(tmp_path: Path) -> None:
    bad = 'label.setText("Plain")\nraise SourceError(f"{a} is wrong")\n'
    good = 'label.setText(_("Good {a}").format(a=f"{b:.2f}"))\nraise SourceError(answer["text"])\n'
    (tmp_path / "part.py").write_text(bad + good)
    assert [entry.split(" ", 1)[1] for entry in untranslated(tmp_path / "part.py")] == ["'Plain'", "' is wrong'"]


def test_users_read_reference_not_anchor() -> None:
    texts = [(UI.name, text.text or "") for text in ElementTree.parse(UI).iter("string")]
    for path in (*PARTS, MODULE / f"{NAME}.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if _name(node) == "_"]
        texts += [(path.name, ast.unparse(call)) for call in calls]  # type: ignore[arg-type]
    assert len(texts) > 100
    assert [entry for entry in texts if "anchor" in entry[1].lower()] == []


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.stem)
def test_texts_are_formatted_after_translation(path: Path) -> None:
    # Slicer finds the translation of the text with its placeholders: a text put together before has none.
    for call in ast.walk(ast.parse(path.read_text())):
        if _name(call) == "_":
            assert isinstance(call.args[0], ast.Constant), f"{path.name}:{call.lineno}"
