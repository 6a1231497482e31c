# What people run. `make test` installs what the tests need and runs them all; everything else is a part of it.

TARGET := $(or $(CARGO_TARGET_DIR),target)
BENCH := $(TARGET)/release/quire-bench
NPM_CI := npm ci --no-audit --no-fund --loglevel=error

.PHONY: run test setup checks release lint unit fuzz-smoke fuzz black-box black-box-build faulty web clients browser bench bench-quick bench-build bench-micro bench-growth deny

run: ## serve on 127.0.0.1:1234
	cargo run --release

test: setup ## everything; linking the release keeps one core busy for minutes, so the checks run beside it
	$(MAKE) web # first: it makes the files anew that the server has in it
	$(MAKE) --jobs=2 checks release
	$(MAKE) --jobs=2 fuzz-smoke black-box-build # a target of fuzzing keeps one core busy as well
	$(MAKE) black-box clients browser
	@echo "all tests passed"

checks:
	$(MAKE) lint
	$(MAKE) unit

release: ## the binary that people run
	cargo build --release --locked -p server

setup: ## install what is missing: Debian packages, cargo-fuzz, npm packages by lock file
	tests/setup
	cd tests/js && $(NPM_CI)
	cd tests/js/ot && $(NPM_CI)
	cd tests/browser && $(NPM_CI)
	cd web && $(NPM_CI)

lint: ## formatting and clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit: ## unit, property and contract tests, with all run-time checks on
	cargo test --locked -p engine -p protocol -p services -p storage -p server -p quire-fuzz

fuzz-smoke: ## each fuzz target for ten seconds, from all that is kept
	FUZZ_SECONDS=10 fuzz/run

fuzz: ## each fuzz target for FUZZ_SECONDS (half an hour if not said); FUZZ_TARGETS runs only some
	fuzz/run $(FUZZ_TARGETS)

web: ## the pages: types, helpers, and that the committed build is the one the sources give
	cd web && npm run --silent check && npm test --silent && npm run --silent verify

black-box: black-box-build ## the very binary that people run: durability, the trace, bad input, faults, the differential runs
	cargo test --profile bench --locked -p quire-tests -- --test-threads=1

black-box-build: faulty release
	cargo test --profile bench --locked -p quire-tests --no-run

faulty: ## the binary that fails on purpose, for the tests of faults only
	cargo build --locked -p server --features failpoints,sabotage
	install -D $(TARGET)/debug/quire $(TARGET)/faulty/quire

clients: ## the unmodified clients: y-websocket, and Hocuspocus of three versions
	cd tests/js && npm test --silent
	cd tests/js/ot && npm test --silent

browser: ## two people in a real browser
	cd tests/browser && npm test --silent

bench: bench-build ## Quire beside its peers: all rows and curves, 40 minutes, then docs/benchmarks.md
	$(BENCH) run
	$(BENCH) report $(TARGET)/bench/record.json

bench-quick: bench-build ## the same for every day: the first rows, one short run each, a table
	$(BENCH) run --quick

bench-build:
	bench/setup
	cargo build --release --locked -p server -p quire-bench

bench-micro: ## what each step of an edit costs and allocates; NAME=… runs only some
	cargo bench --locked -p quire-bench --bench micro -- $(NAME)

bench-growth: ## what grows with a document's history
	cargo bench --locked -p quire-bench --bench growth

deny: ## licences, bans and sources of all dependencies (needs cargo-deny)
	cargo deny check bans licenses sources
