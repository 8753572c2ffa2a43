# Everything a person needs on a machine with Python 3.11 or newer and make: `make demo`, `make test`, `make dev`.
.DEFAULT_GOAL := help
.PHONY: help setup demo dev test bench soak lock clean
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# Made anew when the lock or the interpreter's environment changes; the project itself is on the path, not copied.
$(READY): requirements.lock pyproject.toml scripts/make_venv.sh
	@bash scripts/make_venv.sh $(VENV)
	@touch $@

setup: $(READY) ## the virtual environment, from the hash-pinned lock

demo: $(READY) ## the whole job in a simulated world: no key, no account, no cost
	@$(BIN)/openmart-pipeline demo

dev: $(READY) ## Dagster's UI on http://localhost:3000, with the simulator when there is no key
	@exec $(BIN)/openmart-pipeline dev

test: $(READY) ## lint, types, all tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -n 3 --dist worksteal

bench: $(READY) ## the benchmarks, side by side with plain scripts
	@$(BIN)/python benchmarks/read_transports.py
	@$(BIN)/python benchmarks/intake.py
	@$(BIN)/python benchmarks/whole_run.py
	@$(BIN)/python benchmarks/warehouse.py

soak: $(READY) ## what `make test` runs small, whole, in about two hours: every part with its figures
	@$(BIN)/python -m openmart_pipeline_tests.warehouse.readers_and_kills
	@$(BIN)/python -m openmart_pipeline_tests.pipeline.shared_companies
	@$(BIN)/python -m openmart_pipeline_tests.ledger.test_ledger_machine
	@$(BIN)/python -m openmart_pipeline_tests.soak.kills
	@$(BIN)/python -m openmart_pipeline_tests.soak.lost_answers
	@$(BIN)/python -m openmart_pipeline_tests.soak.mixed --minutes 20
	@$(BIN)/python -m openmart_pipeline_tests.soak.a_million_tasks

lock: ## pin the dependencies anew, with their hashes
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --python-version 3.11 \
		--no-header --no-annotate --quiet -o requirements.lock

clean: ## remove the environment and the simulated world; your data stays
	@rm -rf $(VENV) data/simulated
