# make demo   set up, then the main job on real photographs
# make test   set up, then the tests
# make check  format, lint, types, import contracts, tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
JOBS ?= auto

.PHONY: help demo test check lint format docs clean

help:
	@grep '^# make' Makefile | cut -c3-

$(VENV)/.core: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mien needs Python 3.11 or newer, this is %s; try make PYTHON=python3.11" % sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade 'pip>=25.1'
	$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.core pyproject.toml
	$(PIP) install --quiet --editable '.[all]' --group test
	@touch $@

$(VENV)/.check: $(VENV)/.test
	$(PIP) install --quiet --group check
	@touch $@

demo: $(VENV)/.core
	$(BIN)/mien demo --out out

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

lint: $(VENV)/.check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.check
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint test

clean:
	rm -rf $(VENV) .cache out build src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

docs: $(VENV)/.test
	$(BIN)/python docs/reference/make.py
