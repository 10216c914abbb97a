# make demo | check | test | test-all | lint | benchmark | install | wheel | clean
PYTHON ?= python3
BIN = .venv/bin
PIP = $(BIN)/pip install --quiet --constraint .ci/constraints.txt

.PHONY: install demo test test-all check lint benchmark wheel clean

install: .venv/.installed

.venv/.installed: setup.py .ci/constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) setuptools wheel
	$(PIP) --no-build-isolation --editable ".[test]"
	touch $@

demo: install  ## pretrain on digits, linear evaluation, export, load back
	rm -rf runs/demo
	$(BIN)/python -m hub_export.demo --workdir=runs/demo

PYTEST = $(BIN)/python -m pytest --numprocesses=2 --dist=worksteal

test: lint  ## the tests, about eleven minutes on two cores
	$(PYTEST) -m "not release"

check: lint  ## the fast tests, before a commit
	$(PYTEST) -m "not slow and not release"

test-all: lint  ## all tests: what only a release needs, too
	$(PYTEST)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --python-executable $(BIN)/python

benchmark: install  ## time and memory of the loss, beside other codes
	$(BIN)/python -m benchmarks.loss --json=runs/benchmark_loss.json

wheel: install
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean:
	rm -rf .venv build dist runs *.egg-info
