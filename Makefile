# Every chore of this repository. Each target ends with status 0 only if nothing was violated, and says its counts.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# How long `make fuzz` tries each target, and how often `make chaos` kills something.
SECONDS ?= 60
ROUNDS ?= 200

.PHONY: help run test e2e bench fuzz chaos fmt lint tidy install

help:
	@echo "make run             install what is missing, build, start the server, greet from every language, stay up"
	@echo "make test            install what the tests need and run everything that judges a change"
	@echo "make e2e             drive apps of a real server with a real browser"
	@echo "make bench           measure what SPECIFICATION.md promises"
	@echo "make fuzz SECONDS=60 throw random bytes at every parser that reads what strangers wrote"
	@echo "make chaos ROUNDS=200  kill server, spawner and sandboxes at random under load, then count what is left"
	@echo "make fmt | lint | tidy | install"

install:
	@scripts/install run

run:
	@scripts/run

test:
	@scripts/test

e2e:
	@scripts/install e2e
	@scripts/e2e

bench:
	@scripts/bench

# Fuzz targets are ordinary tests named fuzz*, which run briefly in `make test` and as long as they are told here.
fuzz:
	@scripts/install build
	@MADANG_FUZZ_SECONDS=$(SECONDS) cargo test --release --workspace --test 'fuzz*' -- --nocapture

chaos:
	@scripts/install test
	@MADANG_CHAOS_ROUNDS=$(ROUNDS) cargo test --release --workspace --test 'chaos*' -- --nocapture

fmt:
	@cargo fmt --all

lint:
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --locked -- -D warnings
	@cargo clippy --workspace --bin madang --features madang-cli/otlp --locked -- -D warnings

tidy:
	@cargo run --quiet --locked -p xtask -- tidy
