# Every target sets up what is missing, does nothing twice, and needs no network once set up.

PYTHON ?= python3
SWEEP ?= sweeps/quickstart.yaml
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup sweep report test test-slow lint types check lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make the environment in .venv (the other targets do it by themselves)

# The environment's interpreter is the one that makes it: uv is told the path and never fetches another.
# compat puts this folder on the path: beside a clone named fau, setuptools' own finder would find the clone as fau.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: fau needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv || \
		{ echo "make: python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv"; rm -rf .venv; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --config-setting editable_mode=compat --editable .
	@touch $@

sweep: $(READY) ## Run an ablation and report on it: make sweep [SWEEP=sweeps/gla_ablation.yaml]
	$(BIN)/fau-sweep $(SWEEP)

report: $(READY) ## Compare the runs made so far
	$(BIN)/fau-report runs

test: $(READY) ## Run the quick tests (5 minutes on two cores)
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist loadfile --no-loadscope-reorder

test-slow: $(READY) ## Run the others: real processes, DDP, browser (30 minutes on two cores)
	$(BIN)/python -m pytest -m slow --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(READY) ## Check style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY) ## Check types
	$(BIN)/mypy

check: lint types test ## Style, types and quick tests

lock: $(READY) ## Pin the newest allowed versions, names and versions only, in requirements.lock
	$(BIN)/uv pip compile --quiet pyproject.toml --group dev --universal --python-version 3.11 \
		--no-annotate --no-header --output-file requirements.lock --upgrade

clean: ## Remove the environment and caches; runs and crop sets stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
