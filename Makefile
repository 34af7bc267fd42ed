# What a developer types. Each target installs what it needs once, says what it does, and fails when something is wrong.
# The stages of `test` and its relatives are functions in scripts/stages.sh; the tools they need are in scripts/install.sh.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:

BINARY := $(or $(CARGO_TARGET_DIR),target)/release/rillcast
PAGE_SOURCES := $(shell find src/web/src -type f) src/web/build.mjs src/web/tsconfig.json

.PHONY: help run test test-full bench bench-baseline bench-profile bench-quick fuzz soak check lint fmt page interop-packages

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

run: ## build, make a sample film in media/, serve the folder, print the player's address (ARGS="…" is passed on)
	@scripts/install.sh rust node sample
	@$(MAKE) --silent page media/sample.mp4
	@echo "building the server"
	@cargo build --release --locked --bin rillcast
	@exec $(BINARY) serve --media media $(ARGS)

test: ## everything that must hold before a merge: format, lints, types, tests, documentation
	@scripts/stages.sh tools page interop-packages format types clippy tests reads docs

test-full: ## test, then every corpus file in every player, licences and bans, the browser scripts' own tests, a minute of each fuzz target, the short benchmark
	@scripts/stages.sh tools peers page interop-packages format types clippy tests reads reads-interop docs matrix deny selftest fuzz release bench-quick

bench: ## load beside the peers (nginx, Varnish, Traffic Server; nginx-vod-module when NGINX_VOD_MODULE is its path), with a report; close everything else first
	@scripts/stages.sh peers page release bench

bench-baseline: ## bench, and its figures become bench/BASELINE.md and bench/baseline.json, which later runs are held to
	@scripts/stages.sh peers page release bench-baseline

bench-profile: ## where the time goes, ours beside nginx: system calls (strace) and functions (perf), where they are allowed
	@scripts/stages.sh peers page release bench-profile

bench-quick: ## the same in a few minutes, enough to see a regression
	@scripts/stages.sh peers page release bench-quick

fuzz: ## every fuzz target in turn, FUZZ_SECONDS each (60)
	@scripts/stages.sh rust fuzz

soak: ## hours of live channels under load: not there yet, fails and says so
	@echo "there is no soak yet: it comes with live channels, which are not built. Nothing was run." >&2
	@exit 1

check: page ## the compiler's opinion, quickly
	@cargo check --workspace --all-targets

lint: ## format, lints and types, without the tests
	@scripts/stages.sh rust page format types clippy

fmt: ## put the Rust sources in order
	@cargo fmt --all

page: src/web/dist/index.html ## build the page that the binary embeds

# Files, remade when what they are made of changes. npm writes .package-lock.json itself at the end of an install.

src/web/dist/index.html: src/web/node_modules/.package-lock.json $(PAGE_SOURCES)
	@echo "building the page"
	@npm --prefix src/web run --silent build
	@touch $@

interop-packages: tests/interop/node_modules/.package-lock.json

%/node_modules/.package-lock.json: %/package-lock.json %/package.json
	@scripts/install.sh node
	@echo "installing the npm packages of $*"
	@npm --prefix $* ci --no-audit --no-fund --loglevel=error
	@touch $@

media/sample.mp4: scripts/make-sample.sh
	@scripts/install.sh sample
	@echo "making the sample film $@ (half a minute)"
	@scripts/make-sample.sh $@
