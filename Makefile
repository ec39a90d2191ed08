# Roost: the first thing a newcomer reads. `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python
ARGS ?=

.PHONY: help venv up down status wipe test test-full attack-sabotage check gen bench lock

help: ## List every target with one line
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.locked: requirements-dev.lock pyproject.toml
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

venv: .venv/.locked ## Install Roost and its tools into .venv, from the lock file

up: venv ## Bring up Kubernetes and the platform on this machine (root, Debian 12); safe to repeat
	$(PY) -m roost.node.commands up $(ARGS)

down: venv ## Stop the cluster; nothing is lost, `make up` brings it back
	$(PY) -m roost.node.commands down $(ARGS)

status: venv ## Show how the cluster on this machine is
	$(PY) -m roost.node.commands status $(ARGS)

wipe: venv ## Remove the cluster and all its data from this machine (ARGS=--yes in scripts)
	$(PY) -m roost.node.commands wipe $(ARGS)

test: venv ## Run the tests that every landing passes, with the time of each part
	$(PY) -m tests.run $(ARGS)

test-full: venv ## Run all tests, also those that take long
	$(PY) -m tests.run --full $(ARGS)

attack-sabotage: venv ## Take each guard away once in a scratch API server and see its attack work
	.venv/bin/pytest -q -m full tests/attack

check: venv ## Judge the code without changing it: ruff, mypy, layers
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

gen: venv ## Write what is generated: CRDs, reference pages, the TypeScript client
	$(PY) -m roost.mains.generate

bench: venv ## Run one benchmark: make bench B=P16
	$(PY) -m bench.$(B) $(ARGS)

lock: ## Resolve the dependencies anew and write both lock files
	.venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements.lock
	.venv/bin/uv pip compile pyproject.toml --group dev --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements-dev.lock
