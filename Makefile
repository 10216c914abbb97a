# make demo | check | test | test-all | lint | benchmark | install | dist | clean
PYTHON ?= python3
BIN = .venv/bin
PIP = $(BIN)/pip install --quiet --constraint .ci/constraints.txt

.PHONY: install demo test test-all check lint benchmark dist clean

install: .venv/.installed

.venv/.installed: setup.py .ci/constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) setuptools wheel
	$(PIP) --no-build-isolation --editable ".[all,test]"
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

dist: install  ## what PyPI takes: a source distribution and a wheel
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m twine check --strict dist/*

clean:
	rm -rf .venv build dist runs *.egg-info
