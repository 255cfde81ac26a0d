# Every target makes its own environment in .venv when there is none.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := $(VENV)/.demo
TESTS := -n auto --dist worksteal
COVERAGE := build/coverage
unexport PYTHONDONTWRITEBYTECODE  # or each of the processes that tests start compiles the package once more

MINUTES ?= 10

.PHONY: demo demo-devices test check format faults coverage mutants explore soak docs package pictures peers bench bench-keras bench-peers clean

demo: $(DEMO)
	$(BIN)/python examples/demo.py

demo-devices: $(DEMO)
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

coverage: $(READY)
	mkdir -p $(COVERAGE)
	$(BIN)/python -m pytest $(TESTS) --cov --cov-context=test --cov-report= --junitxml=$(COVERAGE)/tests.xml
	@for room in core storage callbacks training; do \
		$(BIN)/coverage report --include="src/epochal/$$room/*" --fail-under=95 --show-missing --skip-covered || failed=1; \
	done; exit $$failed

mutants: $(VENV)-mutants/.ready $(COVERAGE)/data
	$(VENV)-mutants/bin/python -m mutants --count $(or $(N),200) --seed $(or $(SEED),1)

$(COVERAGE)/data: $(shell find src tests -name '*.py')  # mutants are tried with the tests that ran their line
	$(MAKE) coverage

explore: $(READY)
	$(BIN)/python tests/explore/explore.py $(MINUTES) $(SEED)

soak: $(READY)
	$(BIN)/python tests/soaking.py

docs: $(VENV)-docs/.ready
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build
	@echo "The documentation is in build/site/index.html."

package: $(VENV)-release/.ready
	$(VENV)-release/bin/python release/try_package.py

pictures: $(READY)
	$(BIN)/python -m pictures

peers: $(VENV)-peers/.ready
	$(VENV)-peers/bin/python -m pytest $(TESTS) --peers tests/test_*_with_keras.py tests/test_data_libraries.py tests/test_docs.py

bench: $(READY)
	$(BIN)/python -m benchmarks

bench-peers: $(VENV)-peers/.ready
	@echo "Every library in turn, about 20 minutes on two idle cores. A shorter try: $(VENV)-peers/bin/python -m benchmarks.peers --quick"
	$(VENV)-peers/bin/python -m benchmarks.peers

bench-keras: $(READY)
	$(BIN)/python -m benchmarks keras_models

clean:
	rm -rf $(VENV) $(VENV)-docs $(VENV)-mutants $(VENV)-peers $(VENV)-release

CHECK_PYTHON = @$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "epochal needs Python 3.11 or newer; say which with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --editable

$(DEMO): pyproject.toml
	$(CHECK_PYTHON)
	@echo "Making $(VENV) with what the demo needs (JAX, flax, scikit-learn, TensorBoard): 210 MB to fetch, a minute or two …"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) ".[demo]"
	@touch $@

$(READY): pyproject.toml
	$(CHECK_PYTHON)
	@echo "Making $(VENV) with what tests and tools need (Keras, pytest, pyright … and the demo's): 280 MB to fetch, two minutes or three …"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) ".[dev]"
	@touch $@ $(DEMO)

$(VENV)-mutants/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)-mutants
	$(VENV)-mutants/bin/pip install --quiet --editable ".[test,mutants]"
	@touch $@

$(VENV)-docs/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)-docs
	$(VENV)-docs/bin/pip install --quiet --editable ".[docs]"
	@touch $@

$(VENV)-release/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)-release
	$(VENV)-release/bin/pip install --quiet build twine
	@touch $@

# PyTorch first, by its version: of the builds of one version pip prefers a `+cpu` where the index has it, and it stays when
# the others are installed. Without a version the newest build wins, which on Linux brings some GB of CUDA's libraries.
$(VENV)-peers/.ready: pyproject.toml
	@echo "Installing Keras, PyTorch, Lightning, Ignite, Grain and datasets into $(VENV)-peers: some minutes, 2 GB"
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/pip install --quiet torch==2.13.0
	$(VENV)-peers/bin/pip install --quiet --editable ".[test,peers]"
	@touch $@
