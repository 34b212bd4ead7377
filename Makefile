# One place for every task. `make` lists them; each prepares .venv first where that is needed.
# Environment variables of pip (PIP_INDEX_URL, PIP_FIND_LINKS, ...) are honoured by `make setup`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked-packages
READY := $(VENV)/.project-installed
LOG := $(VENV)/setup.log

# Chosen by the caller: make test WORKERS=8 TESTS=tests/unit ARGS="-k envelope -x"
WORKERS ?= 2
TESTS ?= tests
ARGS ?=

define report_pip
	total=$$(grep -c == requirements.lock); n=0; \
	while read -r verb name _; do \
	  case "$$verb" in \
	    Collecting) n=$$((n + 1)); if [ -t 1 ]; then printf '\r\033[K      %s of %s  %s' "$$n" "$$total" "$$name"; fi ;; \
	    Installing) if [ -t 1 ]; then printf '\r\033[K'; fi; echo '      downloaded, installing ...' ;; \
	  esac; \
	done
endef
failed = { echo; echo 'setup failed; the end of $(LOG):'; tail -n 20 $(LOG); exit 1; } >&2

.PHONY: agent opendsm notebooks help setup demo test lint types bench validation mutation property situations proof faults api soak format lock clean hazards crash replays models

help: ## list the targets
	@echo 'Isotherm: make <target>'
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  \1\t\2/p' Makefile | expand -t 14

setup: $(READY) ## make .venv with everything in requirements.lock (does nothing when up to date)
	@:

$(BIN)/python:
	@for candidate in python3.11 python3; do \
	  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then \
	    echo "setup: $(VENV) with $$("$$candidate" --version)"; \
	    exec "$$candidate" -m venv $(VENV); \
	  fi; \
	done; \
	echo 'setup: Isotherm needs Python 3.11 with its venv module, as python3.11 or python3 on the PATH' \
	  '(on Debian: the packages python3.11 and python3.11-venv).' >&2; exit 1

# torch goes in first and alone: any later package that asks for "torch" then finds it installed
# and does not fetch a build for accelerators.
$(LOCKED): requirements.lock | $(BIN)/python
	@echo 'setup: the first time takes some minutes (about 0.6 GB to download, 2.5 GB on disk)'
	@echo 'setup: 1 of 4  torch'
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
	  $$(grep -E '^(torch|setuptools|wheel)==' requirements.lock) >$(LOG) 2>&1 || $(failed)
	@echo 'setup: 2 of 4  the packages of requirements.lock'
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --no-build-isolation \
	  -r requirements.lock 2>>$(LOG) | tee -a $(LOG) | { $(report_pip); } || $(failed)
	@touch $@

$(READY): pyproject.toml $(LOCKED)
	@echo 'setup: 3 of 4  isotherm itself, editable'
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation \
	  --editable . >>$(LOG) 2>&1 || $(failed)
	@echo 'setup: 4 of 4  the simulator, compiled (about a minute)'
	@$(BIN)/python -m sim.warm >>$(LOG) 2>&1 || $(failed)
	@touch $@
	@echo 'setup: ready'

demo: setup ## a simulated hall under Isotherm, live in the terminal (ARGS= as for isotherm demo)
	@$(BIN)/isotherm demo $(ARGS)

test: setup ## run the tests, without the long ones (TESTS=, WORKERS=, ARGS= as you like)
	@$(BIN)/python -m pytest $(TESTS) -n $(WORKERS) --dist loadfile \
	  -m 'not slow and not soak and not study' $(ARGS)

lint: setup ## style and architecture: ruff, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache

types: setup ## mypy, strict
	@$(BIN)/mypy

bench: setup ## measure speed and memory (ARGS= chooses)
	@$(BIN)/python -m benchmarks $(ARGS)

validation: setup ## hold the simulated plant against EnergyPlus and published figures (ARGS=--plots draws)
	@$(BIN)/python -m benchmarks.validation $(ARGS)

mutation: setup ## break the envelope in thousands of ways; every mutant must be caught
	@$(BIN)/python -m tests.mutation $(ARGS)

property: setup ## the property tests with many more examples and a new seed each time
	@$(BIN)/python -m pytest tests/property -n $(WORKERS) --hypothesis-profile=thorough --timeout=0 $(ARGS)

situations: setup ## ten thousand situations that try the planner: a plan within limits in each, or the rule
	@$(BIN)/python -m pytest tests/property/test_planning_adversarial.py -m study --timeout=0 $(ARGS)

agent: setup ## the agent of reinforcement learning that control is held against acts through the gateway
	@$(BIN)/python -m pytest tests/scenario/test_benchmarks_rl.py --timeout=0 $(ARGS)

proof: setup ## prove the envelope's arithmetic for all values (Z3)
	@$(BIN)/python -m pytest tests/property/test_safety_proof.py --durations=5 --timeout=0 $(ARGS)

hazards: setup ## write docs/hazards.md from docs/hazards.toml and the code
	@$(BIN)/python -m tests.hazards

faults: setup ## inject every fault into a gateway process and write docs/gateway-faults.md
	@$(BIN)/python -m tests.gateway_faults

api: setup ## ask the REST interface everything that its description allows, at length (schemathesis)
	@$(BIN)/python -m pytest tests/contract/test_service_schema.py -m slow --timeout=0 $(ARGS)

models: setup ## the life of a model by its commands, and what a laboratory's doors and tanks teach one
	@$(BIN)/python -m pytest tests/scenario/test_model_commands.py -m slow --timeout=0 $(ARGS)

notebooks: setup ## run docs/examples/*.ipynb from the first cell to the last
	@$(BIN)/python -m pytest tests/scenario/test_notebooks.py -m slow --timeout=0 $(ARGS)

OPENDSM := tests/peers/opendsm/.venv

$(OPENDSM)/.installed: tests/peers/opendsm/requirements.txt | $(BIN)/python
	@$(BIN)/python -m venv $(OPENDSM)
	@$(OPENDSM)/bin/pip install --disable-pip-version-check --progress-bar off --quiet -r $<
	@touch $@

opendsm: setup $(OPENDSM)/.installed ## the savings' baseline beside OpenDSM's, in an environment of its own
	@$(BIN)/python -m pytest tests/interop/test_savings_opendsm.py -m slow --timeout=0 -rs $(ARGS)

crash: setup ## kill writers and upgrades of the stores 100 times each, and look for what is lost
	@$(BIN)/python -m pytest tests/scenario/test_storage_crash.py -m soak --timeout=0 $(ARGS)

replays: setup ## compute a thousand random decisions of simulated days again (REPLAYS= for fewer)
	@$(BIN)/python -m pytest tests/scenario/test_replay_many.py -m study --timeout=0 -q $(ARGS)

soak: setup ## run for minutes to hours, looking for leaks and drift
	@$(BIN)/python -m pytest $(TESTS) -m soak --timeout=0 $(ARGS)

format: setup ## put the code into its standard form
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

lock: $(READY) ## write requirements.lock from what is installed in .venv
	@$(BIN)/python -m pip freeze --all --exclude pip --exclude-editable \
	  | sed -E 's/^(torch==[0-9.]+)\+.*/\1/' >requirements.lock.new
	@if grep -vE '^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$$' requirements.lock.new; then \
	  echo 'lock: the lines above are not plain name==version' >&2; rm requirements.lock.new; exit 1; fi
	@mv requirements.lock.new requirements.lock
	@wc -l requirements.lock

clean: ## remove caches and reports; .venv stays
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
	  htmlcov .coverage .coverage.*
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
