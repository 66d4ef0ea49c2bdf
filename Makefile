# Newcomers need two commands, and nothing but Python 3.11 or newer and make:
#
#   make demo    a simulated study, trained, tested and drawn; says where the results are
#   make test    the whole test suite
#
# `make docs` builds the documentation's pages, which need no network to be read.
#
# Everything is installed into .venv, once; a later call reinstalls only when pyproject.toml, the version, the
# Python or the place of this folder has changed. Choose the Python with `make demo PYTHON=python3.12`.

PYTHON ?= python3
DEMO_ARGS ?=
PYTEST_ARGS ?=
DOCS_ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --editable
VERSION_OF_PYTHON := import sys; print(sys.version.split()[0])
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
BASE_PYTHON := import sys; print(getattr(sys, "_base_executable", sys.executable))
IS_VENV := import sys; sys.exit(sys.prefix == sys.base_prefix)
DESCRIBE := import os, sys; print(sys.version.split()[0], os.path.realpath(sys.base_prefix), os.getcwd())
# Memory in large pages, where Linux's C library can ask for them: a training step takes a tenth to a third less.
LARGE_PAGES := GLIBC_TUNABLES=glibc.malloc.hugetlb=1
LIBRARY_VERSION := sed -n 's/^__version__ = //p' lassovae/__init__.py

# $(call fresh_folder,NAME): set the shell variable `out` to the first of NAME, NAME-2, NAME-3, ... not there yet.
fresh_folder = out="$(1)"; n=1; while [ -e "$$out" ]; do n=$$((n + 1)); out="$(1)-$$n"; done

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test dev lint types doctest smoke docs clean FORCE

help:
	@echo "make demo     run the example on a simulated study (DEMO_ARGS are passed on)"
	@echo "make test     run the whole test suite (PYTEST_ARGS are passed on)"
	@echo "make dev      install everything a contributor needs into .venv"
	@echo "make lint     ruff: rules and format"
	@echo "make types    mypy"
	@echo "make doctest  the examples in the docstrings"
	@echo "make smoke    the example with its smallest preset"
	@echo "make docs     the documentation's pages, with their notebooks run, in docs/_build/html (DOCS_ARGS are passed on)"
	@echo "make clean    remove .venv, caches and build products; results/ stays"

demo: $(VENV)/.installed-base
	@$(call fresh_folder,results/demo); \
	mkdir -p results; \
	$(LARGE_PAGES) "$(PY)" examples/calcium_fandn.py --out "$$out" $(DEMO_ARGS) && echo "The results are in $$out (open $$out/report.html, or look into $$out/figures)."

smoke: $(VENV)/.installed-base
	@$(call fresh_folder,results/smoke); \
	mkdir -p results; \
	$(LARGE_PAGES) "$(PY)" examples/calcium_fandn.py --preset smoke --out "$$out" && echo "The results are in $$out."

test: $(VENV)/.installed-test
	@$(LARGE_PAGES) "$(PY)" -m pytest -n auto --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

doctest: $(VENV)/.installed-test
	@"$(PY)" -m pytest --doctest-modules lassovae

# Notebooks are run as users run them, but compiled quickly, as the tests are. A warning of Sphinx is an error.
# Without the notebooks: make docs DOCS_ARGS="-D nb_execution_mode=off"
docs: $(VENV)/.installed-docs
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" XLA_FLAGS="$${XLA_FLAGS:-$$($(PY) tests/compile_flags.py)}" \
	JAX_PLATFORMS="$${JAX_PLATFORMS:-cpu}" \
	"$(PY)" -m sphinx -W --keep-going -q $(DOCS_ARGS) docs docs/_build/html && echo "The pages are in docs/_build/html (open index.html)."

dev: $(VENV)/.installed-dev

lint: $(VENV)/.installed-dev
	@"$(PY)" -m ruff check .
	@"$(PY)" -m ruff format --check .

types: $(VENV)/.installed-dev
	@"$(PY)" -m mypy

clean:
	rm -rf $(VENV) build dist docs/_build *.egg-info .pytest_cache .jax_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An installation with an extra holds the smaller ones, so it stamps them too.
$(VENV)/.installed-base: pyproject.toml $(VENV)/.made
	@echo "Installing lassovae and what it needs into $(VENV); the first time this takes a few minutes."
	@$(PIP_INSTALL) .
	@touch "$@"

$(VENV)/.installed-test: pyproject.toml $(VENV)/.made
	@echo "Installing lassovae and what its tests need into $(VENV); the first time this takes a few minutes."
	@$(PIP_INSTALL) ".[test]"
	@touch $(VENV)/.installed-base "$@"

$(VENV)/.installed-docs: pyproject.toml $(VENV)/.made
	@echo "Installing lassovae and what its documentation needs into $(VENV); the first time this takes a few minutes."
	@$(PIP_INSTALL) ".[docs]"
	@touch $(VENV)/.installed-base "$@"

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.made
	@echo "Installing lassovae and its contributors' tools into $(VENV); the first time this takes a few minutes."
	@$(PIP_INSTALL) ".[dev]"
	@touch $(VENV)/.installed-base $(VENV)/.installed-test $(VENV)/.installed-docs "$@"

# Looked at on every call, rewritten only when what it says has changed: then the installations above are stale.
$(VENV)/.made: FORCE
	@if ! "$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null; then \
	    found="$$("$(PYTHON)" -c '$(VERSION_OF_PYTHON)' 2>/dev/null || echo 'not found')"; \
	    echo "lassovae needs Python 3.11 or newer, and $(PYTHON) is $$found." >&2; \
	    echo "Name another one: make $(firstword $(MAKECMDGOALS) demo) PYTHON=python3.12" >&2; \
	    exit 1; \
	fi; \
	wanted="$$("$(PYTHON)" -c '$(DESCRIBE)')"; \
	if ! "$(PY)" -c '$(IS_VENV)' 2>/dev/null \
	    || [ "$$("$(PY)" -c '$(DESCRIBE)' 2>/dev/null)" != "$$wanted" ] \
	    || ! { "$(PY)" -m pip --version || "$(PY)" -m ensurepip; } >/dev/null 2>&1; then \
	    if [ -e $(VENV) ]; then echo "Making $(VENV) anew: it is broken, or was made by another Python."; fi; \
	    base="$$("$(PYTHON)" -c '$(BASE_PYTHON)')"; \
	    if ! "$$base" -m venv --clear $(VENV); then \
	        echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; \
	        exit 1; \
	    fi; \
	fi; \
	made="$$wanted $$($(LIBRARY_VERSION))"; \
	if [ "$$(cat "$@" 2>/dev/null)" != "$$made" ]; then echo "$$made" > "$@"; fi

FORCE:
