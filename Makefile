# Sets itself up: `make test` and `make demo` work in a fresh clone with Python 3.10 to 3.13 and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# The Slicer extension has an environment of its own: real MRML (slicer-core) and PySide6 in the place of PythonQt.
SLICER_VENV := .venv-slicer
SLICER_BIN := $(SLICER_VENV)/bin
SLICER_READY := $(SLICER_VENV)/.ready

# The wheel, as it is installed by users, to run the packed bundle with.
WHEEL_VENV := .venv-wheel
WHEEL_READY := $(WHEEL_VENV)/.ready

# MONAI Label pins pydicom 2, STRIQ needs 3: two environments, as a site has them.
LABEL_VENV := .venv-label
LABEL_BIN := $(LABEL_VENV)/bin
LABEL_READY := $(LABEL_VENV)/.ready

DEPLOY_VENV := .venv-deploy
DEPLOY_BIN := $(DEPLOY_VENV)/bin
DEPLOY_READY := $(DEPLOY_VENV)/.ready

.PHONY: setup lint types types-slicer test test-slow test-slicer test-label test-deploy pictures-slicer measure-slicer wheel bundle curves docs notebooks conventions about test-bundle demo clean

setup: $(READY)

# torch first and pinned: the tested build, and no other request may replace it.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs,onnx,audit,ray]'
	touch $(READY)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/pyright --pythonpath $(BIN)/python striq

types-slicer: $(READY)
	$(BIN)/pyright --pythonpath $(BIN)/python -p slicer_extension

test: lint types types-slicer
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto -m 'not slow and not gpu' --durations=10

test-slow: $(READY)
	$(BIN)/python -m pytest -q -m slow --durations=10

# Slice views are drawn off screen; that needs EGL (on Debian: libegl1 libegl-mesa0 libgl1).
$(SLICER_READY): pyproject.toml constraints.txt slicer_extension/constraints.txt
	$(PYTHON) -m venv $(SLICER_VENV)
	$(SLICER_BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(SLICER_BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-c slicer_extension/constraints.txt slicer-core PySide6-Essentials pyigtl pytest -e '.[dicom-sr]'
	touch $(SLICER_READY)

test-slicer: $(SLICER_READY)
	$(SLICER_BIN)/python -m pytest -q slicer_extension/tests --durations=10

# `make pictures-slicer MODEL=folder` draws the pictures of the manual.
pictures-slicer: $(SLICER_READY)
	$(SLICER_BIN)/python -m pytest -q slicer_extension/tests/test_pictures.py slicer_extension/tests/test_pictures_study.py slicer_extension/tests/test_full_window.py \
		--pictures docs/pictures --model '$(MODEL)'

# `make measure-slicer CINE=cine.dcm` measures what a user waits for; `OPTIONS="--model folder --repeat 5 --threads 1"`.
measure-slicer: $(SLICER_READY)
	$(SLICER_BIN)/python slicer_extension/tools/measure.py $(CINE) $(OPTIONS)

# Wheel and sdist.
wheel: $(READY)
	rm -f dist/*.whl dist/*.tar.gz
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m build --outdir dist .

# `make bundle MODEL_URL=https://...` leaves the weights out, to be fetched from there.
bundle: $(READY)
	$(BIN)/python tools/make_bundle.py --out dist --model-url '$(MODEL_URL)'

$(WHEEL_READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(WHEEL_VENV)
	$(WHEEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	touch $(WHEEL_READY)

# What the Model Zoo checks, offline, and the packed bundle beside the installed wheel.
test-bundle: wheel bundle $(WHEEL_READY)
	$(WHEEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --force-reinstall --no-deps dist/striq-*.whl
	$(WHEEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/striq-*.whl
	$(BIN)/python -m pytest -q tests/bundle tests/scoring/test_export.py --durations=10

# The curves in the bundle's own page: a training on the phantom, drawn.
curves: $(READY)
	$(BIN)/python -m monai.bundle run training --config_file monai_bundle/configs/train.json --output_dir runs/curves --work_dir runs/curves
	$(BIN)/python -m striq.cli curves runs/curves --out monai_bundle/docs/training_curves.png

# The documentation as a site with a search: build/site/index.html.
docs: $(READY)
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/site
	@echo build/site/index.html

# The notebooks, run from the first cell to the last.
notebooks: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/docs/test_notebooks.py

# The page of all conventions, written from the docstrings.
conventions: $(READY)
	$(BIN)/python tools/make_conventions.py

# Publisher, addresses and version, from striq/about.py and pyproject.toml into the files that need them.
about:
	$(PYTHON) tools/write_about.py

# The stub stands in for a part of torchvision that the CPU build of torch has not; other builds need none.
$(LABEL_READY): monailabel_app/requirements.txt
	$(PYTHON) -m venv $(LABEL_VENV)
	$(LABEL_BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(LABEL_BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 \
		-r monailabel_app/requirements.txt pytest
	cp monailabel_app/tests/torchvision_on_cpu_torch.pth \
		"$$($(LABEL_BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	touch $(LABEL_READY)

test-label: $(READY) $(LABEL_READY)
	STRIQ_PYTHON=$(CURDIR)/$(BIN)/python $(LABEL_BIN)/python -m pytest -q -c monailabel_app/tests/pytest.ini \
		monailabel_app/tests --durations=10

$(DEPLOY_READY): pyproject.toml monai_deploy_app/requirements.txt
	$(PYTHON) -m venv $(DEPLOY_VENV)
	$(DEPLOY_BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(DEPLOY_BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 \
		-r monai_deploy_app/requirements.txt pytest -e .
	touch $(DEPLOY_READY)

test-deploy: $(DEPLOY_READY)
	$(DEPLOY_BIN)/python -m pytest -q -c monai_deploy_app/tests/pytest.ini monai_deploy_app/tests --durations=10

demo: $(READY)
	$(BIN)/python -m striq.demo --out demo

clean:
	rm -rf $(VENV) $(SLICER_VENV) $(WHEEL_VENV) $(LABEL_VENV) $(DEPLOY_VENV) demo dist .pytest_cache .ruff_cache
