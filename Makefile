# The platform from a terminal. Everything here installs what is missing first; settings: KONCI_RUN, KONCI_PORT.
SHELL := /bin/bash
.DEFAULT_GOAL := help
KONCI := .venv/bin/konci

.PHONY: help install up down status demo test pentest lint types soak mutants judges bench

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## Install what this machine lacks (apt, .venv, Kafka's jars)
	@deploy/local/install.sh

up: install ## Start the stack in .run/ and wait until it serves
	@$(KONCI) up

down: ## Stop every process of the stack; the data stays
	@if [ -x $(KONCI) ]; then $(KONCI) down; else echo "nothing was running"; fi

status: ## What runs, and whether it serves
	@if [ -x $(KONCI) ]; then $(KONCI) status; else echo "nothing is installed: make up"; exit 1; fi

demo: up ## Two hotels, their dialogues and recordings, and their access logs
	@deploy/local/install.sh --speech || echo "the recordings of the demo are a tone instead of speech"
	@$(KONCI) demo

test: install ## All tests, on a stack of their own beside a running one (TESTS=tests/unit: some of them)
	@.venv/bin/python -m pytest --durations=30 $(TESTS)

pentest: install ## Our safeguards off one by one, then every attack that the isolation suite knows; writes reports/
	@PYTHONPATH=tests .venv/bin/python -m mutation
	@PYTHONPATH=tests .venv/bin/python -m pentest

mutants: install ## Our own safeguards switched off one by one: the suite must notice (SAMPLE=10 for some, SEED=…)
	@PYTHONPATH=tests .venv/bin/python -m mutation $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))

lint: install ## Style, import layers
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/lint-imports

types: install ## Strict types
	@.venv/bin/mypy

soak: ## Break a stack of its own for 100 000 accesses, then kill recordings (MINUTES=3: a cut of the first; SEED=…)
	@deploy/local/install.sh --soak
	@PYTHONPATH=tests .venv/bin/python -m soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))
	@$(if $(MINUTES),,KONCI_TEST_SECONDS=3600 $(if $(SEED),KONCI_TEST_SEED=$(SEED)) .venv/bin/python -m pytest tests/faults/recordings/test_kill_nine.py)

bench: install ## Ratios and bounds, measured; writes docs/performance.md
	@PYTHONPATH=tests .venv/bin/python -m performance

judges: install ## Software that is not ours judges the platform: API, TLS, vectors, row-level security, code, dependencies (one: make judge-tls)
	@PYTHONPATH=tests .venv/bin/python -m judges

judge-%: install
	@PYTHONPATH=tests .venv/bin/python -m judges $*
