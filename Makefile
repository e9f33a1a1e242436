# make run    sets up what reading needs, reads examples/ into results.duckdb and shows a query's answer
# make test   sets everything up, runs all checks and tests
# make check  format, lint, types
# make test-vllm  the contract of a model against a real vLLM on this machine's CPU; optional, 3 GB
PYTHON ?= python3
BIN := .venv/bin
# Every install goes through the constraints: see constraints.txt.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test check format clean test-vllm
.DELETE_ON_ERROR:

run: .venv/reads
	$(BIN)/aria-docs run examples --db results.duckdb
	$(BIN)/aria-docs sql - --db results.duckdb < examples/overview.sql

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/everything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test-vllm: .venv/everything
	tests/vllm.sh

format: .venv/everything
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "aria-docs needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv

.venv/reads: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	@touch $@

.venv/everything: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[all,dev]'
	@touch $@ .venv/reads

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
