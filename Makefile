# Everything is installed into .venv and nowhere else: with uv where it is on PATH, else with pip.
# Stamp files in .venv remember what is installed; changing pyproject.toml installs again.
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
DATA ?= ../shared/data
UV := $(shell command -v uv 2>/dev/null)

ifneq ($(UV),)
  CREATE := UV_PYTHON_DOWNLOADS=never $(UV) venv --quiet --allow-existing --seed --python $(PYTHON) $(VENV)
  INSTALL := $(UV) pip install --quiet --python $(BIN)/python
else
  CREATE := $(PYTHON) -m venv $(VENV)
  # ensurepip first: an environment that uv made holds no pip
  INSTALL := $(BIN)/python -m ensurepip >/dev/null && $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

.PHONY: help
help: ## print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.stamp-run ## find described moments in a real clip, on the CPU
	@$(BIN)/python -m deploy.demo

.PHONY: test
test: lint ## ruff, strict mypy, then every test that is not slow
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile

.PHONY: test-slow
test-slow: $(VENV)/.stamp-dev ## the tests that take minutes
	$(BIN)/python -m pytest -m slow --timeout 3600

.PHONY: kafka
kafka: $(VENV)/kafka/.stamp ## fetch the Apache Kafka broker that tests start (needs Maven and Java)

.PHONY: lint
lint: $(VENV)/.stamp-dev ## ruff and strict mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: format
format: $(VENV)/.stamp-dev ## sort imports and format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(VENV)/.stamp-dev ## measure the pipeline on this machine
	$(BIN)/watchword bench pipeline

.PHONY: train
train: $(VENV)/.stamp-dev ## make the default bundle again: hours (DATA=folder of training data)
	$(BIN)/watchword train lite --data $(DATA) --out build/watchword-lite

.PHONY: clean
clean: ## remove .venv and every cache
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Watchword needs Python 3.11 or newer: install it, or name it with make PYTHON=/path/to/python3" >&2; exit 1; }
	$(CREATE)

# pip stands in the list because the demo fetches its clip with it and uv leaves it out
$(VENV)/.stamp-run: pyproject.toml | $(BIN)/python
	$(INSTALL) pip -e ".[cpu]"
	@touch $@

$(VENV)/.stamp-dev: pyproject.toml | $(BIN)/python
	$(INSTALL) pip -e ".[dev,cpu]"
	@touch $@ $(VENV)/.stamp-run

# Maven's own plugins go into .venv too; a batch of jars is whole once the stamp is there
$(VENV)/kafka/.stamp: tests/kafka/pom.xml | $(BIN)/python
	@command -v mvn >/dev/null || { echo "make kafka needs Maven and Java (Debian: openjdk-17-jre-headless maven)" >&2; exit 1; }
	rm -rf $(VENV)/kafka
	mvn --quiet --batch-mode --file $< -Dmaven.repo.local=$(CURDIR)/$(VENV)/m2 \
	  dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(VENV)/kafka
	@touch $@
