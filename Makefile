# Everything a fresh machine needs is Python 3.11 or later and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.setup-stamp
MINUTES ?= 5

.PHONY: setup run test check bench soak clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Quarterdeck needs Python 3.11 or later, this is " + sys.version.split()[0] + " (set PYTHON=python3.11)" or 0)'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing (on Debian: apt-get install python3-venv)"; exit 1; }
	@echo 'Installing, about a minute …'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo 'Compiling, about half a minute …'
	@$(BIN)/python -m app.warming
	@touch $(STAMP)

# ARGS passes options on: make run ARGS="--feed sim --speed 60"
run: setup
	$(BIN)/quarterdeck $(ARGS)

# Four at a time on two cores: those that drive a terminal mostly wait for it.
test: setup
	$(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m tests.benchmarks $(ARGS)

soak: setup
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(ARGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
