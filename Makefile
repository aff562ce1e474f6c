# make demo       compare the two example checkpoints
# make test       run the tests
# make check      style, types, layers
# make bench      error rates and timings on small models made here
# make benchmark  the whole benchmark over the zoo, into docs/benchmark.md
# make bench-big  timings on checkpoints of several gigabytes

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
INPUTS := pyproject.toml constraints.txt
INSTALL = $(BIN)/python -m pip install --quiet -c constraints.txt

.PHONY: demo test check bench benchmark bench-big
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/provenance compare examples/base examples/tuned

test: $(VENV)/.installed-all
	$(BIN)/python -m pytest -q -n auto --maxprocesses 2 --dist loadfile

check: $(VENV)/.installed-all
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed-all
	$(BIN)/python -m bench

benchmark: $(VENV)/.installed-all
	$(BIN)/python -m bench.lineage

bench-big: $(VENV)/.installed-all
	$(BIN)/python -m bench speed --big

# One environment for all targets. A stamp says what is in it, so that set-up runs once per change of its inputs.
$(VENV)/.python:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(INPUTS) | $(VENV)/.python
	$(INSTALL) -e .
	touch $@

$(VENV)/.installed-all: $(INPUTS) | $(VENV)/.python
	$(INSTALL) -e '.[test,check,bench]'
	touch $@ $(VENV)/.installed
