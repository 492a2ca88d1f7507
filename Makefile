# Sets itself up: `make test` and `make demo` work in a fresh clone with Python 3.10 to 3.13 and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup lint types test test-slow demo clean

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

demo: $(READY)
	$(BIN)/python -m striq.demo --out demo

clean:
	rm -rf $(VENV) demo dist .pytest_cache .ruff_cache
