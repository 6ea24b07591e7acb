# Two commands for everybody: `make demo` and `make test`. Each makes its own .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help demo test footage speed benchmarks check requirements clean

help:
	@echo "make demo          see the whole chain on a sample camera grid"
	@echo "make test          run the tests"
	@echo "make footage       run the tests on real footage (SIGHTGRID_DATA)"
	@echo "make benchmarks    measure accuracy on the real photos (SIGHTGRID_DATA)"
	@echo "make check         lint, types, import contracts"
	@echo "make requirements  pin the dependencies anew (needs uv)"

$(VENV)/made: requirements/dev.txt requirements/photos.txt pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))" \
	  || (echo "sightgrid needs Python 3.11 to 3.13; try: make $(MAKECMDGOALS) PYTHON=python3.12" && false)
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/photos.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: $(VENV)/made
	$(BIN)/sightgrid demo

test: $(VENV)/made
	$(BIN)/python -m pytest --quiet

footage: $(VENV)/made
	$(BIN)/python -m pytest --quiet -m footage

speed: $(VENV)/made
	$(BIN)/python -m benchmarks.speed

benchmarks: $(VENV)/made
	$(BIN)/python -m benchmarks.accuracy --store

check: $(VENV)/made
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

COMPILE := UV_CUSTOM_COMPILE_COMMAND="make requirements" uv pip compile --quiet --universal \
  --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links
requirements:
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra openvino --extra mtcnn --extra hog --group dev -o requirements/dev.txt
	$(COMPILE) --no-deps requirements/photos.in -o requirements/photos.txt

clean:
	rm -rf $(VENV) sightgrid-demo
