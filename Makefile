# make demo       compare the two example checkpoints
# make test       run the tests
# make fuzz       mutated files for every reader; FUZZ_SECONDS each (120), READERS names a few
# make browser    the pages in the system's Chromium: their tests, and screenshots into build/report
# make check      style, types, layers
# make bench      error rates and timings on small models made here
# make benchmark  the whole benchmark over the zoo, into docs/benchmark.md
# make bench-big  timings on checkpoints of several gigabytes, 10 to 27 GB on the disk while it runs

PYTHON ?= python3
VENV ?= .venv
FUZZ_SECONDS ?= 120
READERS ?= $(notdir $(wildcard tests/fuzz/corpus/*))

BIN := $(VENV)/bin
INPUTS := pyproject.toml constraints.txt
INSTALL = $(BIN)/python -m pip install --quiet -c constraints.txt

.PHONY: demo test browser fuzz check bench benchmark bench-big
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/provenance compare examples/base examples/tuned

# Two test processes with two threads each would wait for one another in every matrix product.
test: export OMP_NUM_THREADS = 1
test: $(VENV)/.installed-all
	$(BIN)/python -m pytest -q -n auto --maxprocesses 2 --dist loadfile

browser: $(VENV)/.installed-browser
	$(BIN)/python -m pytest -q tests/provenance/reports/test_browser.py tests/provenance/reports/test_pages.py
	$(BIN)/python -m tests.browser build/report

fuzz: $(VENV)/.installed-fuzz
	set -e; for reader in $(READERS); do \
	  $(BIN)/python tests/fuzz/fuzz_reader.py $$reader -max_total_time=$(FUZZ_SECONDS); \
	done

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

$(VENV)/.installed-browser: $(VENV)/.installed-all
	$(INSTALL) -e '.[browser]'
	touch $@

$(VENV)/.installed-fuzz: $(VENV)/.installed-all
	$(INSTALL) -e '.[fuzz]'
	touch $@
