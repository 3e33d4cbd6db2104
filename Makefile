# Everything a contributor runs. `make help` lists it; only git, make and Python 3.11+ must be there before.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.set-up
PACKAGES := router vecroute models converter training daemon
CODE := $(PACKAGES) tests benchmarks

.PHONY: help setup test lint demo train bench clean
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: $(STAMP) ## Make .venv/ with everything pinned by constraints.txt

$(STAMP): pyproject.toml constraints.txt .ci/setup
	@PYTHON="$(PYTHON)" .ci/setup .venv
	@touch $@

test: lint ## Set up, then format, lint, types, imports and all tests with coverage
	$(BIN)/pytest -n 2 --cov --cov-report=term

lint: setup ## Set up, then format, lint, types and imports only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

demo: setup ## Set up, convert examples/ through a daemon, write demo/index.html
	$(BIN)/python -m vecroute.cli.demo

train: setup ## Set up, then redo labels, models and the default export from nothing (hours)
	$(BIN)/python -m training all

bench: setup ## Set up, install the peers, then measure the speed claims
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks

clean: ## Remove .venv/, demo/ and all caches
	rm -rf .venv demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov
