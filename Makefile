SHELL := bash
.DEFAULT_GOAL := help
.PHONY: setup demo test lint bench coverage crds shares clean help

ifneq ($(shell id -u),0)
# As root by sudo; bytecode is not written, so that the checkout stays its owner's.
AS_ROOT := $(if $(shell command -v sudo),sudo -E env PYTHONDONTWRITEBYTECODE=1)
endif

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## install what is missing: Debian packages, uv, .venv
	@scripts/setup

demo: setup  ## raise a lab of three regions, cut one off, kill every controller, check each step, take it down
	@$(AS_ROOT) .venv/bin/isthmus lab run failover

test:  ## all tests; those that need root and namespaces are skipped (loudly) without them
	@scripts/setup tests
	@mkdir -p build/test
	.venv/bin/python -m pytest --junitxml=build/test/junit.xml

lint: setup  ## style, types, import contracts, libraries of each room
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python scripts/check_libraries.py
	@if command -v cargo-clippy >/dev/null && cargo fetch -q --manifest-path dns/packet/Cargo.toml 2>/dev/null; then \
	  cd dns/packet && cargo fmt --check && cargo clippy -q --offline --all-targets -- -D warnings; \
	else echo "lint: dns/packet is left out: cargo, clippy or the registry of crates is not at hand"; fi

bench: setup  ## measure against the targets, writes build/bench.json; one row: make bench ROW=name
	@$(AS_ROOT) .venv/bin/python tests/bench/run.py $(if $(ROW),--row $(ROW))

coverage: setup  ## how much of the packet path and of the Python responder the fuzz between them reaches
	@.venv/bin/python scripts/packet_coverage.py

crds: setup  ## write the CustomResourceDefinitions from their types
	@PYTHONPATH=. .venv/bin/python scripts/write_crds.py

shares: setup  ## draw docs/shares.svg: shares over time when a service dies and comes back, by simulation
	@PYTHONPATH=. .venv/bin/python scripts/draw_shares.py

clean:  ## remove everything that setup, tests and benchmarks made
	rm -rf .venv .uv build dist dns/packet/target dns/packet/Cargo.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
