# Every target makes its own environment in .venv when there is none.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TESTS := -n auto --dist worksteal
unexport PYTHONDONTWRITEBYTECODE  # or each of the processes that tests start compiles the package once more

MINUTES ?= 10

.PHONY: demo demo-devices test check format faults explore soak docs package peers bench bench-keras clean

demo: $(READY)
	$(BIN)/python examples/demo.py

demo-devices: $(READY)
	$(BIN)/python examples/many_devices.py

test: $(READY)
	$(BIN)/python -m pytest $(TESTS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest $(TESTS)

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

faults: $(READY)
	$(BIN)/python -m pytest -m faults --faults

explore: $(READY)
	$(BIN)/python tests/explore/explore.py $(MINUTES) $(SEED)

soak: $(READY)
	$(BIN)/python tests/soaking.py

docs: $(VENV)-docs/.ready
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build
	@echo "The documentation is in build/site/index.html."

package: $(VENV)-release/.ready
	$(VENV)-release/bin/python release/try_package.py

peers:
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/pip install --quiet --editable ".[test,peers]"
	$(VENV)-peers/bin/python -m pytest $(TESTS) --peers tests/test_*_with_keras.py tests/test_data_libraries.py

bench: $(READY)
	$(BIN)/python -m benchmarks

bench-keras: $(READY)
	$(BIN)/python -m benchmarks keras_models

clean:
	rm -rf $(VENV) $(VENV)-docs $(VENV)-peers $(VENV)-release

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "epochal needs Python 3.11 or newer; say which with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable ".[dev]"
	@touch $@

$(VENV)-docs/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)-docs
	$(VENV)-docs/bin/pip install --quiet --editable ".[docs]"
	@touch $@

$(VENV)-release/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)-release
	$(VENV)-release/bin/pip install --quiet build twine
	@touch $@
