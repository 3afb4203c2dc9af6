# The commands of this project. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run build ui test lint fmt check conformance bench clean

help: ## lists the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## builds Promontory and starts it on this machine: http://127.0.0.1:9090
	@exec $${CARGO_TARGET_DIR:-target}/release/promontory $(ARGS)

build: ## builds the program with its page, target/release/promontory
	@scripts/need build
	@scripts/ui-build
	cargo build --release --locked --package promontory

ui: ## builds the page alone
	@scripts/need build
	@scripts/ui-build

test: ## runs every test: Rust, page, browser, real peers, conformance
	@scripts/need test
	@scripts/ui-build
	@scripts/test

lint: ## formatting, warnings, licences, rules of the house
	@scripts/need lint
	@scripts/lint

fmt: ## formats the code
	cargo fmt --all

check: ## compiles everything without building it
	cargo check --workspace --all-targets

conformance: ## the scoreboard against upstream's test data
	cargo xtask conformance

bench: ## measures Promontory and the peers that are installed, in one run (ARGS=--quick, --only ROW, …)
	cargo build --release --locked --package promontory --package bench
	@exec $${CARGO_TARGET_DIR:-target}/release/bench --promontory $${CARGO_TARGET_DIR:-target}/release/promontory $(ARGS)

clean: ## removes what was built
	cargo clean
	rm -rf ui/dist ui/node_modules
