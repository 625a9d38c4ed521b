# `make run`: from a fresh clone to a neighbour table and a report. `make test`: the test suite; `make test-more` and
# `make test-long` go on for more nights, and kill and damage more; `make test-s3` has a lake in a bucket,
# `make test-s3-short` only its commits.

VENV ?= .venv
MODERN := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c '$(MODERN)' 2>/dev/null && echo $$name && break; done)
ARGS ?=
export UNINOTE_FAULT_SEED ?= 1
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TESTABLE := $(VENV)/.testable
S3 := $(VENV)/s3-jars/uninote-log-store.jar
# A file's tests share what is made once for it. In the order of their names: by number of tests, files with a few long tests
# would come last, and one process would wait for the other.
BY_FILE := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: run test test-more test-long test-s3 test-s3-short install check help clean

help: ## Show the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

run: $(INSTALLED) ## Run the whole pipeline (ARGS="--set key=value" to change it) and show one note with its neighbours
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/spark-submit jobs/refresh.py $(ARGS)

test: $(TESTABLE) ## Run the linter, the type checker and the tests
	$(BIN)/ruff check --no-cache . && $(BIN)/ruff format --no-cache --check .
	$(BIN)/mypy & types=$$!; PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest $(BY_FILE) && wait $$types

test-more: $(TESTABLE) ## Longer rows of updates, and stages and refreshes killed at 7 more points (UNINOTE_FAULT_SEED=n draws others)
	@echo "UNINOTE_FAULT_SEED=$(UNINOTE_FAULT_SEED)"
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m more -n 2 --dist worksteal

test-long: $(TESTABLE) ## The longest tests, and 120 more points: over two hours; run again, it goes on where it stopped
	@echo "UNINOTE_FAULT_SEED=$(UNINOTE_FAULT_SEED)"
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m long $(BY_FILE)

test-s3: $(TESTABLE) $(S3) ## A lake in a real S3 server: the whole pipeline, and writers that race (fetches 690 MB once)
	PATH="$(CURDIR)/$(BIN):$$PATH" UNINOTE_S3_JARS="$(CURDIR)/$(VENV)/s3-jars" $(BIN)/python -m pytest -m s3

test-s3-short: $(TESTABLE) $(S3) ## Of these what `.ci/run` has: 20 races of each two engines, and commits whose answer is lost
	PATH="$(CURDIR)/$(BIN):$$PATH" UNINOTE_S3_JARS="$(CURDIR)/$(VENV)/s3-jars" $(BIN)/python -m pytest -m "s3 and short"

install: $(INSTALLED) ## Create the virtual environment and make its spark-submit ready

$(INSTALLED): setup.py conf/spark-defaults.conf conf/log4j2.properties conf/spark-env.sh | check
	test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python -m uninote.install
	touch $@

$(TESTABLE): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

$(S3): $(INSTALLED) uninote/install/log_store/ConditionalLogStore.scala
	rm -f $@
	$(BIN)/python -m uninote.install --s3 $(VENV)/s3-jars

check:
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(MODERN)' 2>/dev/null \
	  || { echo "error: UniNote needs Python 3.11 or newer; the one found ($(or $(PYTHON),none)) is not." \
	  "Name one: make run PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "error: $(PYTHON) lacks the venv module (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@version=$$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1); \
	  test "$${version:-0}" -ge 17 \
	  || { echo "error: Spark needs Java 17 or newer on PATH; found: $${version:-none}" >&2; exit 1; }

clean: ## Remove the demo lake and the demo corpus, keeping the environment
	rm -rf .uninote
