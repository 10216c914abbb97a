# make demo | check | test | test-all | test-backends | test-versions | lint |
# benchmark | docs | install | dist | clean
PYTHON ?= python3
BIN = .venv/bin
PIP = $(BIN)/pip install --quiet --constraint .ci/constraints.txt

.PHONY: install demo test test-all test-backends test-versions check lint benchmark docs dist clean

install: .venv/.installed

.venv/.installed: setup.py .ci/constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) setuptools wheel
	$(PIP) --no-build-isolation --editable ".[all,docs,test]"
	touch $@

demo: install  ## pretrain on digits, linear evaluation, export, load back
	rm -rf runs/demo
	$(BIN)/python -m hub_export.demo --workdir=runs/demo

PYTEST = $(BIN)/python -m pytest --numprocesses=2 --dist=worksteal

test: lint  ## the tests, about ten minutes on two cores
	$(PYTEST) -m "not release"

check: lint  ## the fast tests, before a commit
	$(PYTEST) -m "not slow and not release"

# PyTorch's CPU build is enough, and a tenth of the size of the other.
BACKENDS = jax torch
WITHOUT_TENSORFLOW = keras numpy scikit-learn pillow absl-py tqdm pytest

test-backends: $(BACKENDS:%=.venv-%/.installed)  ## on JAX and on PyTorch alone
	for backend in $(BACKENDS); do \
	  KERAS_BACKEND=$$backend JAX_DISABLE_MOST_OPTIMIZATIONS=1 \
	    .venv-$$backend/bin/python -m pytest tests/backends || exit 1; \
	done

.venv-%/.installed: .ci/constraints.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet --constraint .ci/constraints.txt \
	  $* $(WITHOUT_TENSORFLOW)
	touch $@

test-all: lint test-backends  ## all tests: what only a release needs, too
	$(PYTEST)

test-versions: install  ## the fast tests on each Python and both ends of versions
	PYTHONS="$(PYTHONS)" VERSIONS="$(VERSIONS)" TESTS="$(TESTS)" .ci/test_versions

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --python-executable $(BIN)/python

benchmark: install  ## time and memory of the loss, beside other codes
	$(BIN)/python -m benchmarks.loss --json=runs/benchmark_loss.json

docs: install  ## the documentation, in build/site; a broken link is an error
	cd docs && NO_MKDOCS_2_WARNING=1 ../$(BIN)/mkdocs build --strict --quiet

dist: install  ## what PyPI takes: a source distribution and a wheel
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m twine check --strict dist/*

clean:
	rm -rf .venv .venv-* build dist runs *.egg-info
