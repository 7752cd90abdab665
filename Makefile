# Two commands matter: `make run` and `make test`. Both do all of their own set-up and are quick once it is done.
SHELL := /bin/bash
export PATH := $(PATH):$(HOME)/.cargo/bin
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
CACHE := .cache
# What the native data plane and the eBPF program of the XDP data plane are built from.
NATIVE := $(wildcard stratum1/dataplane/Cargo.* stratum1/dataplane/src/*.rs stratum1/dataplane/src/*/*.rs stratum1/dataplane/xdp/*.[ch])
# command:Debian package
TEST_TOOLS := git:git cargo-clippy:rust-clippy cargo-fmt:rustfmt mmdebstrap:mmdebstrap unshare:util-linux ip:iproute2 nsenter:util-linux systemd-analyze:systemd chromium:chromium
BENCH_TOOLS := mmdebstrap:mmdebstrap unshare:util-linux nsenter:util-linux taskset:util-linux ip:iproute2 tc:iproute2

.PHONY: help run native test test-native test-first test-floor test-long lint docs bench bench-cost bench-timing bench-kernel lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

run: $(CACHE)/run.stamp ## the server on this machine: simulated receiver, loopback only, no privilege (ARGS="..." is passed on)
	@exec $(BIN)/stratum1 run --simulate $(ARGS)

native: $(CACHE)/test.stamp ## builds the native data plane and the eBPF program in place, after a change of their sources
	STRATUM1_NATIVE=require $(BIN)/python setup.py --quiet build_rust --inplace
	STRATUM1_XDP=require $(BIN)/python setup.py --quiet build_xdp

test: $(CACHE)/test.stamp test-tools lint test-native ## everything that CI runs: lint, types, tests under Python 3.11 and in a Debian trixie root
	@tools/test.sh

test-native: $(CACHE)/test.stamp test-tools ## only the crate: format, clippy, its own tests
	cd stratum1/dataplane && cargo fmt --check
	cd stratum1/dataplane && cargo clippy --quiet --locked --all-targets --no-default-features -- --deny warnings
	cd stratum1/dataplane && cargo test --quiet --locked --no-default-features

test-first: $(CACHE)/test.stamp ## only the first lane, as `make test-first ARGS="tests/gnss -x"`
	$(BIN)/python -m pytest $(ARGS)

test-floor: $(CACHE)/test.stamp test-tools ## only the lane in the trixie root
	tools/floor.sh

test-long: $(CACHE)/test.stamp test-tools ## the tests that take minutes or need the host's clock to themselves (root), one run at a time
	@mkdir -p $(CACHE)
	flock --exclusive --verbose $(CACHE)/long.lock $(BIN)/python -m pytest -m long --timeout 1800 $(ARGS)

lint: $(CACHE)/test.stamp ## ruff and mypy
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

docs: $(CACHE)/docs.stamp ## the book, built into site/ with warnings as errors
	NO_MKDOCS_2_WARNING=1 $(CACHE)/docs-venv/bin/python -m mkdocs build --strict --quiet
	@echo "open site/index.html"

bench: $(CACHE)/test.stamp ## what the server bears, beside chrony, ntpd-rs, NTPsec and OpenNTPD (root; ARGS="--only chrony native" for less)
	@tools/need.sh $(BENCH_TOOLS)
	@mkdir -p $(CACHE)
	flock --exclusive --verbose $(CACHE)/long.lock $(BIN)/python tests/bench/throughput.py $(ARGS)

bench-cost: $(CACHE)/test.stamp ## what the daemon costs when idle, and one request on loopback
	@set -e; for script in tests/bench/cost.py tests/bench/server_cost.py; do echo "== $$script"; $(BIN)/python $$script; done

bench-timing: $(CACHE)/test.stamp ## how well the clock is kept: the scenarios, other noise, mishaps; peers beside them (ARGS="S1 S2" for less)
	@$(BIN)/python tests/bench/timing.py $(or $(ARGS),--grid --network --mishaps --cpu)

bench-kernel: $(CACHE)/test.stamp ## the same on this machine's own clock for 25 minutes (root), which is bent and put back
	@mkdir -p $(CACHE)
	flock --exclusive --verbose $(CACHE)/long.lock $(BIN)/python tests/bench/kernel.py $(ARGS)

lock: ## pins all dependencies anew (uses uv in a throw-away environment)
	tools/lock.sh

clean: ## removes what was built; the downloaded roots too
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf --one-file-system $(CACHE)

.PHONY: test-tools
test-tools:
	@tools/need.sh $(TEST_TOOLS)

$(CACHE)/run.stamp: requirements/run.txt pyproject.toml setup.py tools/venv.sh $(NATIVE)
	@mkdir -p $(CACHE)
	@tools/venv.sh $(VENV) requirements/run.txt
	@touch $@

$(CACHE)/test.stamp: requirements/test.txt pyproject.toml setup.py tools/venv.sh $(NATIVE)
	@mkdir -p $(CACHE)
	@STRATUM1_NATIVE=require STRATUM1_XDP=require tools/venv.sh $(VENV) requirements/test.txt
	@touch $@ $(CACHE)/run.stamp

$(CACHE)/docs.stamp: requirements/docs.txt pyproject.toml tools/venv.sh
	@mkdir -p $(CACHE)
	@tools/venv.sh $(CACHE)/docs-venv requirements/docs.txt
	@touch $@
