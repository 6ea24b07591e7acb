# Two commands for everybody: `make demo` and `make test`. Each makes its own .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help browser screenshots demo test databases reliability footage streams speed benchmarks check requirements clean

help:
	@echo "make demo          see the whole chain on a sample camera grid"
	@echo "make test          run the tests"
	@echo "make databases     run the store's and ledger's tests on PostgreSQL and MySQL"
	@echo "make reliability   kills, cuts and full disks, many times over: ten minutes"
	@echo "make footage       run the tests on real footage (SIGHTGRID_DATA)"
	@echo "make browser       drive Chromium through the pages (apt-get install chromium)"
	@echo "make screenshots   draw every page into docs/images/web, faces blurred"
	@echo "make streams       play live and failing cameras on loopback (SIGHTGRID_DATA, GStreamer)"
	@echo "make benchmarks    measure on the real data (SIGHTGRID_DATA), write docs/benchmarks.md"
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
	$(BIN)/python -m pytest --quiet -n auto --dist worksteal

databases: $(VENV)/made
	$(BIN)/python -m pytest --quiet -n auto --dist worksteal -m "databases and not streams"

reliability: $(VENV)/made
	$(BIN)/python -m pytest --quiet -m reliability

footage: $(VENV)/made
	$(BIN)/python -m pytest --quiet -m footage

browser: $(VENV)/made
	$(BIN)/python -m pytest --quiet -n auto --dist loadfile -m browser

screenshots: $(VENV)/made
	$(BIN)/python -m tools.screenshots docs/images/web

streams: $(VENV)/made
	$(BIN)/python -m pytest --quiet -m "streams and not reliability"

speed: $(VENV)/made
	$(BIN)/python -m benchmarks.speed

# each writes its own section; the first that fails ends it, what was measured before is kept
BENCHMARKS := accuracy detectors speed packs transfer sharding grouping grid ingest
benchmarks: $(VENV)/made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/peers.txt
	set -e; for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name --write; done

check: $(VENV)/made
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/mypy
	$(BIN)/lint-imports

COMPILE := UV_CUSTOM_COMPILE_COMMAND="make requirements" uv pip compile --quiet --universal \
  --python-version 3.11 --generate-hashes
EXTRAS := $(addprefix --extra ,openvino mtcnn hog dlib edge server postgresql mysql)
requirements:
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) pyproject.toml $(EXTRAS) --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra vggface -o requirements/vggface.txt
	$(COMPILE) --no-deps requirements/photos.in -o requirements/photos.txt
	$(COMPILE) --no-deps requirements/peers.in -o requirements/peers.txt

clean:
	rm -rf $(VENV) sightgrid-demo
