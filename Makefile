# `make` lists what a person runs. `setup` reads PYTHON=python3.12, EXTRAS= (the controller alone, without torch;
# mpi,ray adds these engines, and what is there stays)
# and TORCH_WHEEL=FILE; the others set themselves up.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup dev demo lab compare-cora compare-reddit compare-precision provision reset
.PHONY: fuzz test test-slow test-lab test-more test-faults test-provision test-cards test-emulated test-v2 check bench bench-reddit torch-table fix

# Two targets must not set up at once; tests run in parallel by themselves.
.NOTPARALLEL:

POETRY := poetry==2.5.1

EXTRAS ?= worker
export EXTRAS PYTHON TORCH_WHEEL
# Containers often set it; every process of the tests would compile again what it imports.
unexport PYTHONDONTWRITEBYTECODE
# Ansible stops under LC_ALL=C and under a locale that was never generated, which is usual over SSH.
export LC_ALL := C.UTF-8

NODES = $(if $(INVENTORY),--inventory '$(INVENTORY)') $(if $(LIMIT),--limit '$(LIMIT)') $(if $(ASK_BECOME),--ask-become-pass)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv with what picluster needs (quick when there is nothing to do)
	@scripts/setup.sh

dev: ## add to .venv what tests and checks need: pytest, mypy, ruff, ansible-lint …
	@DEV=1 scripts/setup.sh

demo: setup ## train a layer-split GNN on four local processes and show what each of them used
	@scripts/demo.sh

# What is made in the tree belongs to the person, also after `sudo make lab`; only the last step is root's.
lab: ## four virtual Pis on this machine (as root)
	@$${SUDO_USER:+sudo -E -H -u "$$SUDO_USER"} $(MAKE) --no-print-directory setup
	@if [[ $$(id -u) == 0 ]]; then .venv/bin/picluster lab up; else sudo .venv/bin/picluster lab up; fi

# INVENTORY=FILE SEEDS=3 WITH="--scale 0.1" (further options of every row); the chart lies here, the runs in runs/
COMPARE = .venv/bin/picluster compare $(if $(WITH),--with '$(WITH)')

compare-cora: setup ## the predecessors' models of Cora over ten seeded splits, side by side
	@$(COMPARE) --rows comparisons/cora.txt --seeds $(or $(SEEDS),10) --chart compare-cora.png \
		--inventory '$(or $(INVENTORY),inventory/local.yml)'

compare-reddit: EXTRAS := worker,mpi,ray
compare-reddit: setup ## one model by every strategy and engine, side by side
	@$(COMPARE) --rows comparisons/reddit.txt --seeds $(or $(SEEDS),1) --chart compare-reddit.png \
		$(if $(INVENTORY),--inventory '$(INVENTORY)')

# WITH='--dataset reddit-like --scale 0.1 --epochs 2'
compare-precision: WITH ?= --dataset cora --model gcn --strategy single
compare-precision: setup ## one model with features and wire of fp32, fp16 and int8, over 20 seeds
	@$(COMPARE) --rows comparisons/precision.txt --seeds $(or $(SEEDS),20) \
		--inventory '$(or $(INVENTORY),inventory/local.yml)'

# INVENTORY=FILE LIMIT=pi5 (Ansible's patterns) CHECK=1 (change nothing) TAGS=firewall (roles) ASK_BECOME=1
provision: setup ## make freshly flashed Pis ready to train
	@.venv/bin/picluster provision $(NODES) $(if $(CHECK),--check) $(if $(TAGS),--tags '$(TAGS)')

reset: setup ## take from the Pis what provision has put there (DATA=delete|keep)
	@.venv/bin/picluster reset $(NODES) $(if $(DATA),--yes --$(DATA)-data)

# JOBS=1 runs one test at a time; a file's tests stay together, since they share what they have set up.
PYTEST = .venv/bin/pytest -n $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder

test: dev ## run the tests
	$(PYTEST) -m "not slow and not lab and not emulated"

# Files with slow tests: of the others each process would only read, for half a minute, that they have none.
SLOW = tests/integration tests/simulation $(shell grep -rlE 'mark\.(slow|quiet)' tests/unit)

# Those that measure a speed come last, alone.
test-slow: dev ## run the tests that take longer, such as Cora over seeds
	$(PYTEST) -m "slow and not quiet and not emulated" $(SLOW)
	.venv/bin/pytest -m "slow and quiet and not emulated" $(SLOW)

test-lab: dev ## run the tests on virtual Pis (as root)
	$(PYTEST) -m "lab and not quiet" tests/lab
	.venv/bin/pytest -m "lab and quiet" tests/lab

# Virtual Pis wait for half of the time, slow tests compute: together they take less. Pis early, as they take longest.
test-more: JOBS ?= 3
test-more: dev ## run slow tests and those on virtual Pis side by side (as root), but the thorough ones
	$(PYTEST) -m "(slow or lab) and not quiet and not emulated and not thorough" tests/lab $(SLOW)
	.venv/bin/pytest -m "(slow or lab) and quiet and not emulated and not thorough" tests/lab $(SLOW)

# SEEDS=300 (the first so many) or 17..20; JOBS=2 at once. A seed replays its schedule exactly.
test-faults: dev ## make simulated runs with faults drawn from seeds, and replay those that failed
	.venv/bin/python -m tests.simulation $(or $(SEEDS),300) --jobs $(or $(JOBS),2) $(if $(TRACE),--trace)

fuzz: dev ## try EXAMPLES=10000 damaged inputs of each kind: inventories, plans, events, answers, graphs, tables
	PICLUSTER_EXAMPLES=$(or $(EXAMPLES),10000) $(PYTEST) --timeout 7200 tests/fuzz

test-provision: dev ## provision nodes of OS=ubuntu|debian|raspios (INVENTORY=FILE; else virtual Pis, of RELEASE=trixie) and train on them
	@OS='$(OS)' INVENTORY='$(INVENTORY)' PICLUSTER_RELEASE='$(RELEASE)' scripts/test_provision.sh

test-cards: dev ## start cards as flashed on virtual Pis, until SSH answers (as root; five minutes the first time)
	@scripts/test_cards.sh

test-emulated: dev ## provision an emulated aarch64 Pi 4, of RELEASE=trixie, and train on it (as root; slow)
	PICLUSTER_RELEASE='$(RELEASE)' .venv/bin/pytest -m emulated --durations=0

check: dev .venv-poetry/bin/poetry ## what CI runs: style, types, imports, lock, Ansible, shell, tests
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/lint-imports
	.venv/bin/python scripts/constraints.py --check
	.venv-poetry/bin/python -m poetry check --lock
	.venv/bin/yamllint --strict .
	.venv/bin/mypy & types=$$!; books=0; PATH=".venv/bin:$$PATH" \
		.venv/bin/ansible-lint --offline --strict --profile production ansible inventory || books=$$?; \
		wait $$types && exit $$books
	PATH=".venv/bin:$$PATH" shellcheck scripts/*.sh .ci/run
	@$(MAKE) --no-print-directory test

bench: dev ## measure what measuring, engines and starting many nodes cost, and (as root) a cold start and provisioning
	.venv/bin/python scripts/bench_metrics.py
	.venv/bin/python -m scripts.bench_engines
	.venv/bin/python -m scripts.bench_launch
	.venv/bin/python scripts/bench_cold.py
	.venv/bin/python scripts/bench_provision.py

# SCALE=1 EPOCHS=2, or STEPS=30; REPEATS=3 CORES=1 ROWS=single,layer-split FOLDER= RIVALS=…/bin/python JSON=1 DOCS=1
bench-reddit: dev ## measure picluster beside PyG, DGL and its predecessor's scheme: docs/benchmarks.md
	.venv/bin/python -m scripts.bench_reddit $(if $(DATASET),--dataset '$(DATASET)') $(if $(SCALE),--scale '$(SCALE)') \
		$(if $(EPOCHS),--epochs '$(EPOCHS)') $(if $(STEPS),--steps '$(STEPS)') $(if $(REPEATS),--repeats '$(REPEATS)') \
		$(if $(CORES),--cores '$(CORES)') $(if $(ROWS),--rows '$(ROWS)') $(if $(FOLDER),--folder '$(FOLDER)') \
		$(if $(RIVALS),--python '$(RIVALS)') $(if $(JSON),--json) $(if $(DOCS),--docs)

# TESTS=tests/lab/test_faults.py; half an hour; ACCEL=kvm where that works
test-v2: dev ## run tests of labs in a virtual machine with control groups of version 2 alone (as root)
	@TESTS='$(TESTS)' scripts/test_v2.sh

# TORCH="2.9.1 2.10.0"; what was tried before is not tried again
torch-table: dev ## try torch on the emulated processors of Pis (as root; a few minutes each): docs/provision.md
	.venv/bin/python -m scripts.torch_table $(or $(TORCH),2.9.1 2.10.0)

fix: dev ## mend what ruff can mend
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

# Poetry only checks the lock here. It has an environment of its own because it pins libraries that we use too.
.venv-poetry/bin/poetry: | dev
	.venv/bin/python -m venv --clear .venv-poetry
	.venv-poetry/bin/python -m pip install --quiet --disable-pip-version-check --no-compile $(POETRY)
