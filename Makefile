# `make fuzz` and `make test` set everything up by themselves; they need make and Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
EXTRA := dev
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
ENGINE := tests/world tests/search tests/test_execution.py tests/test_minimise.py tests/test_isolation.py tests/test_clients.py tests/test_asgi.py
TYPED := crosswire.fuzzer crosswire.models crosswire.strategies tests benchmarks examples
SOURCES := $(sort $(shell find fuzzer models strategies -name '*.py' -o -name '*.jinja' -o -name py.typed))

.PHONY: fuzz test engine lint format notebooks docs baseline clean help

help:
	@echo "make fuzz    fuzz the seven managers (ARGS='--budget 5m --seed 7' is passed on)"
	@echo "make test    lint, type-check and test"
	@echo "make engine  the engine's tests only (PYTHON=python3.14 VENV=.venv-3.14 for another CPython)"
	@echo "make lint    ruff and mypy only"
	@echo "make notebooks  execute the notebooks into docs/notebooks"
	@echo "make docs    build the documentation's site into build/site; no link may be broken"
	@echo "make baseline  fuzz the bundled targets for 18 minutes into results/baseline, with its plots"
	@echo "make format  let ruff format the code"
	@echo "make clean   remove the environment and everything built"

# Finding violations is what the job is for: its exit code 1 is a success here.
fuzz: $(VENV)/.installed
	@$(BIN)/crosswire run $(ARGS) || test $$? -eq 1

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

# What depends on the interpreter: the world, the search, executions, the model; without what takes long and does not.
engine: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not long' $(ENGINE)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=$$(echo build/__editable__.*) MYPY_NUM_WORKERS=2 $(BIN)/python -m mypy $(TYPED:%=-p %)

# The rendered copies of the notebooks, for docs/notebooks; the notebooks themselves are kept without outputs.
notebooks: $(VENV)/.installed
	$(BIN)/python -m nbconvert --log-level WARN --execute --to markdown --output-dir docs/notebooks notebooks/*.ipynb

# The site; strict: a link or an anchor that leads nowhere fails.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

$(VENV)/.docs: $(VENV)/.installed
ifdef UV
	$(UV) pip install --quiet --python $(BIN)/python --config-settings editable_mode=strict -e '.[docs]'
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=strict -e '.[docs]'
endif
	@touch $@

# The published campaign, its plots and the table in its README; the figures in README and docs come from it.
baseline: $(VENV)/.installed
	rm -rf results/baseline/crosswire.db* results/baseline/counterexamples results/baseline/plots
	$(BIN)/python -m benchmarks.baseline

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# A strict editable install links every file when it is made, so a new or removed file needs a new one.
$(VENV)/.installed: $(VENV)/.sources pyproject.toml
ifdef UV
	@test -x $(BIN)/python || $(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	@rm -rf build
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --config-settings editable_mode=strict -e '.[$(EXTRA)]'
else
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@rm -rf build
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=strict -e '.[$(EXTRA)]'
endif
	@$(BIN)/python -m compileall -q build/__editable__.*  # tests start hundreds of processes, which may not write any
	@touch $@

$(VENV)/.sources: $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit("Crosswire needs Python 3.11 or newer; this is %d.%d. Say which with make PYTHON=..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@mkdir -p $(VENV)
	@echo '$(SOURCES)' | cmp -s - $@ || echo '$(SOURCES)' > $@

clean:
	rm -rf .venv .venv-* build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
