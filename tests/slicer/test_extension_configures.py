"""Configures the extension with CMake against a small stand-in for Slicer's build: every listed file must be there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLICER = """
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
set(BUILD_TESTING ON)
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(ARG "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  foreach(file ${ARG_SCRIPTS} ${ARG_RESOURCES})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "listed but absent: ${file}")
    endif()
  endforeach()
  message(STATUS "module ${ARG_NAME} generic tests ${ARG_WITH_GENERIC_TESTS}")
endfunction()
function(slicer_add_python_unittest)
  cmake_parse_arguments(ARG "" "SCRIPT" "" ${ARGN})
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_SCRIPT})
    message(FATAL_ERROR "listed but absent: ${ARG_SCRIPT}")
  endif()
  message(STATUS "test ${ARG_SCRIPT}")
endfunction()
"""


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs CMake")
def test_extension_configures_with_its_module_and_its_tests(tmp_path: Path) -> None:
    slicer = tmp_path / "slicer"
    slicer.mkdir()
    (slicer / "SlicerConfig.cmake").write_text(SLICER)
    (slicer / "empty.cmake").write_text("")
    source = tmp_path / "source"
    source.mkdir()
    # Slicer brings a CMake as new as the file asks for; the one here may be older.
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8").replace("VERSION 3.28...", "VERSION 3.16...")
    (source / "CMakeLists.txt").write_text(text, encoding="utf-8")
    kept_out = shutil.ignore_patterns("__pycache__", "tests")
    shutil.copytree(ROOT / "slicer_extension", source / "slicer_extension", ignore=kept_out)
    done = subprocess.run(
        ["cmake", "-S", source, "-B", tmp_path / "build", f"-DSlicer_DIR={slicer}", "-Wno-dev"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "module UltrasoundPlaneQC generic tests TRUE" in done.stdout
    assert "test UltrasoundPlaneQCModuleTest.py" in done.stdout
