# Two commands: `make run` serves a development app, `make test` checks everything.

.PHONY: run test tools lint unit nodes e2e conformance chaos

TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
VENV := $(TARGET_DIR)/e2e-python
NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo yes)

# An app with known credentials on 127.0.0.1:8080; it prints how to connect to it.
run:
	cargo run --release --locked -- serve --dev

test: tools lint unit nodes e2e

# What the tests use beside cargo, gcc and Node: the shell lines that `serve --dev` prints are run as they are, and the
# bus is tested over servers that the tests start themselves, as is nginx in front; systemd reads the unit.
tools:
	@command -v node >/dev/null || { echo "Node 20 or later is needed for the end-to-end tests"; exit 1; }
	@command -v curl >/dev/null && command -v openssl >/dev/null || \
		{ $$(command -v sudo) apt-get update -qq && $$(command -v sudo) apt-get install -y -qq curl openssl; }
	@PATH="$$PATH:/usr/sbin"; command -v nats-server >/dev/null || \
		{ $$(command -v sudo) apt-get update -qq && $$(command -v sudo) apt-get install -y -qq nats-server; }
	@command -v redis-server >/dev/null || \
		{ $$(command -v sudo) apt-get update -qq && $$(command -v sudo) apt-get install -y -qq redis-server; }
	@PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null || \
		{ $$(command -v sudo) apt-get update -qq && $$(command -v sudo) apt-get install -y -qq nginx; }
	@command -v systemd-analyze >/dev/null || \
		{ $$(command -v sudo) apt-get update -qq && $$(command -v sudo) apt-get install -y -qq systemd; }
	@python3 -c 'import ensurepip' 2>/dev/null || \
		{ $$(command -v sudo) apt-get update -qq && $$(command -v sudo) apt-get install -y -qq python3 python3-venv; }

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

# Unit, integration, conformance and heap tests, and a minute of chaos over Redis and half of one over NATS.
unit:
ifeq ($(NEXTEST),yes)
	cargo nextest run --locked
else
	cargo test --locked
endif

# The same scenarios and statements on three nodes that act as one, over each bus; not those that start servers of their
# own anyway.
nodes:
ifeq ($(NEXTEST),yes)
	set -e; for bus in memory redis nats; do \
		FANFARE_TEST_NODES=$$bus cargo nextest run --locked --status-level fail --test it --test conformance \
			-E 'not test(/^operations::/)'; done
else
	set -e; for bus in memory redis nats; do \
		FANFARE_TEST_NODES=$$bus cargo test --quiet --locked --test it --test conformance -- --skip operations::; done
endif

# The protocol statement by statement, as a table: of this server, or of the one at TARGET=http://host:port, where
# APP_ID, KEY and SECRET name an app.
# They go through the environment as they were typed: neither make nor a shell reads a secret's dollars and quotes.
unexport TARGET APP_ID KEY SECRET
conformance: export CONFORMANCE_TARGET = $(value TARGET)
conformance: export CONFORMANCE_APP_ID = $(value APP_ID)
conformance: export CONFORMANCE_KEY = $(value KEY)
conformance: export CONFORMANCE_SECRET = $(value SECRET)
conformance:
	@cargo test --quiet --locked --test conformance -- --table

# Three processes under random faults, for longer: `make chaos MINUTES=30`, over NATS with BUS=nats, and with
# SEED=… the same faults again.
MINUTES := 10
BUS := redis
CHAOS_REPORT := $(TARGET_DIR)/chaos-report.txt
chaos: tools
	CHAOS_SECONDS=$$(($(MINUTES) * 60)) CHAOS_SEED=$(SEED) CHAOS_BUS=$(BUS) CHAOS_REPORT=$(CHAOS_REPORT) \
		cargo test --locked --test chaos -- --nocapture
	@echo "The report is in $(CHAOS_REPORT)"

# The official clients against the release binary, which starts with nothing but a Reverb .env.
e2e: export FANFARE_BIN := $(TARGET_DIR)/release/fanfare
e2e:
	cargo build --release --locked
	cd tests/e2e && npm ci --no-audit --no-fund && npm test
	$(MAKE) --no-print-directory $(VENV)/installed
	cd tests/e2e/python && $(VENV)/bin/python -m unittest discover -v -b

# Made anew as a whole, so that nothing of older requirements stays in it.
$(VENV)/installed: tests/e2e/python/requirements.txt
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@
