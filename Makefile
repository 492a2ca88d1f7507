# Sets itself up: `make test` and `make demo` work in a fresh clone with Python 3.10 to 3.13 and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# The Slicer extension has an environment of its own: real MRML (slicer-core) and PySide6 in the place of PythonQt.
SLICER_VENV := .venv-slicer
SLICER_BIN := $(SLICER_VENV)/bin
SLICER_READY := $(SLICER_VENV)/.ready

.PHONY: setup lint types test test-slow test-slicer pictures-slicer measure-slicer demo clean

setup: $(READY)

# torch first and pinned: the tested build, and no other request may replace it.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,onnx]'
	touch $(READY)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/pyright --pythonpath $(BIN)/python striq

test: lint types
	$(BIN)/python -m pytest -q -m 'not slow and not gpu' --durations=10

test-slow: $(READY)
	$(BIN)/python -m pytest -q -m slow --durations=10

# Slice views are drawn off screen; that needs EGL (on Debian: libegl1 libegl-mesa0 libgl1).
$(SLICER_READY): pyproject.toml constraints.txt slicer_extension/constraints.txt
	$(PYTHON) -m venv $(SLICER_VENV)
	$(SLICER_BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(SLICER_BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-c slicer_extension/constraints.txt slicer-core PySide6-Essentials pyigtl pytest -e .
	touch $(SLICER_READY)

test-slicer: $(SLICER_READY)
	$(SLICER_BIN)/python -m pytest -q slicer_extension/tests --durations=10

# `make pictures-slicer MODEL=folder` draws the pictures of the manual.
pictures-slicer: $(SLICER_READY)
	$(SLICER_BIN)/python -m pytest -q slicer_extension/tests/test_pictures.py slicer_extension/tests/test_full_window.py \
		--pictures docs/pictures --model '$(MODEL)'

# `make measure-slicer CINE=cine.dcm` measures what a user waits for; `OPTIONS="--model folder --repeat 5 --threads 1"`.
measure-slicer: $(SLICER_READY)
	$(SLICER_BIN)/python slicer_extension/tools/measure.py $(CINE) $(OPTIONS)

demo: $(READY)
	$(BIN)/python -m striq.demo --out demo

clean:
	rm -rf $(VENV) $(SLICER_VENV) demo dist .pytest_cache .ruff_cache
