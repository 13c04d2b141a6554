# Every target installs what it needs into .venv, test-pythons into .venv-3.12 and the like. Besides the project itself
# only a cache of decoded pictures is written to: `gridsearch data cache` lists and clears it.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOGDIR ?=
SWEEP  ?= sweep.toml
DATA   ?= data

.DEFAULT_GOAL := help
.PHONY: help install sweep plan data check tensorboard test test-pythons faults lint bench clean

help:  ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/core  ## the program and what it needs, into .venv

sweep: $(VENV)/core data  ## train every combination of sweep.toml; again: go on from where it stands
	$(BIN)/gridsearch sweep $(SWEEP) $(if $(LOGDIR),--logdir $(LOGDIR)) $(ARGS)

plan: $(VENV)/core  ## say what a sweep would do
	$(BIN)/gridsearch plan $(SWEEP) $(if $(LOGDIR),--logdir $(LOGDIR)) $(ARGS)

data: $(VENV)/core  ## draw the built-in sample, if data/ holds no pictures
	@test -d $(DATA)/train || $(BIN)/gridsearch data sample --out $(DATA)

check: $(VENV)/core  ## compare TensorBoard's dashboard with the record, row by row
	$(BIN)/gridsearch check $(LOGDIR)

tensorboard: $(VENV)/core  ## look at the sweep, at http://localhost:6006/#hparams
	$(BIN)/gridsearch tensorboard $(LOGDIR)

test: $(VENV)/dev lint  ## format, lint, types and the whole test suite
	$(BIN)/pytest $(ARGS)

test-pythons:  ## the quick tests on every supported Python on PATH, each in an environment of its own
	$(PYTHON) tests/pythons.py $(ARGS)

faults: $(VENV)/dev  ## kill sweeps at 110 random instants and look whether anything is lost; some ten minutes
	FAULTS=long $(BIN)/pytest tests/faults $(ARGS)

lint: $(VENV)/dev  ## format, lint and types alone
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/dev  ## measure most figures that the README quotes; hours
	$(BIN)/python -m benchmarks

clean:  ## remove the environments and caches; never data/ or logs/
	rm -rf $(VENV) $(VENV)-3.* build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A stamp for each set of packages, renewed when their list changes.
$(VENV)/core: setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/dev: $(VENV)/core
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
