# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: help setup build demo demo-adapt test check lint test-rust test-python test-netns test-vm bench bench-vm soak docs layout lock fmt clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := build/stamp
VM_TOO := tests/netns/test_attach.py tests/netns/test_policy.py # hold tests that run in the virtual machine, too
ENGINE_SOURCES := Cargo.toml Cargo.lock pyproject.toml \
	$(shell find engine bpf -path '*/fuzz' -prune -o \( -name '*.rs' -o -name '*.c' -o -name '*.h' -o -name 'Cargo.toml' \) -print)

help:           ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

setup: $(STAMP)/venv ## install what is missing: Debian packages, Python environment

$(STAMP)/system: scripts/setup-system
	@mkdir -p $(@D)
	scripts/setup-system
	@touch $@

$(STAMP)/kernel: $(STAMP)/system scripts/fetch-kernel
	scripts/fetch-kernel build/vm
	@touch $@

$(STAMP)/venv: $(STAMP)/system requirements/dev.txt
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

build: $(STAMP)/engine ## build the engine and put the command at .venv/bin/netpersona

$(STAMP)/engine: $(STAMP)/venv $(ENGINE_SOURCES)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation --editable .
	@touch $@

demo: build     ## the main job, on real traffic, in namespaces of its own
	$(BIN)/python -m lab.demo

demo-adapt: build ## a workload under attack adapts, and goes back
	$(BIN)/python -m lab.demo_adapt

test: build check test-rust test-python test-netns test-vm ## every check

check: lint
lint: $(STAMP)/venv ## format, lint, types, layers
	$(BIN)/ruff format --check src tests lab
	$(BIN)/ruff check src tests lab
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --quiet -- -D warnings

test-rust: $(STAMP)/venv ## unit, property and statistical tests of the crates
	cargo test --locked --quiet --workspace

test-python: build ## unit, property and API tests
	$(BIN)/pytest -q tests/unit tests/property tests/api

test-netns: build ## real namespaces, real eBPF; needs root
	$(BIN)/pytest -q tests/netns

test-vm: build $(STAMP)/kernel ## the kernel of Debian 12 in QEMU, without the network: clsact, real drivers of NICs
	$(BIN)/python -m compileall -q src lab tests
	$(BIN)/python -m lab.vm --timeout 540 env PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 \
		$(BIN)/pytest -q -p no:cacheprovider -m vm --durations=5 tests/vm $(VM_TOO)

bench: build    ## the table of figures, with bounds and peers; writes bench.json
	$(BIN)/python -m lab.bench --json bench.json

bench-vm: build $(STAMP)/kernel ## our conditions beside netem's, in QEMU; writes bench-vm.json
	$(BIN)/python -m lab.vm --timeout 540 --result bench-vm.json \
		$(BIN)/python -m lab.beside_netem --json /vm/exchange/result

soak: build    ## three minutes of switches, load, restarts and kills at once
	$(BIN)/python -m lab.soak

docs: build     ## make the reference pages and the README's picture again
	$(BIN)/python -m lab.reference
	$(BIN)/python -m lab.picture

layout: $(STAMP)/venv ## make the Python of bpf/layout.h again
	$(BIN)/python -m lab.layout

lock:           ## write requirements/dev.txt and Cargo.lock anew
	uv pip compile --quiet --generate-hashes --python-version 3.11 --no-header --no-annotate \
		requirements/dev.in -o requirements/dev.txt
	cargo generate-lockfile

fmt:            ## format everything
	$(BIN)/ruff format src tests lab
	$(BIN)/ruff check --fix src tests lab
	cargo fmt --all

clean:          ## remove what a build made
	rm -rf build target $(VENV) src/netpersona/_engine*.so
