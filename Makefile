SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install system demo demo-sites up down test lint proto docs bench lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed ## install the locked packages and this project into .venv

$(VENV)/.installed: requirements.lock setup.cfg
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	touch $@

lock: ## resolve setup.cfg's requirements anew into requirements.lock
	$(BIN)/uv pip compile --quiet --python-version 3.11 --all-extras --no-annotate --no-header --upgrade setup.cfg -o requirements.lock

proto: install ## generate plugins/fate_federated/pb and serving/fate_serving/pb from proto/
	$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=plugins --grpc_python_out=plugins \
		--mypy_out=plugins --mypy_grpc_out=plugins $$(find proto/fate_federated -name '*.proto' | sort)
	$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=serving --grpc_python_out=serving \
		--mypy_out=serving --mypy_grpc_out=serving $$(find proto/fate_serving -name '*.proto' | sort)

docs: install ## write docs/components.md from the components
	$(BIN)/python docs/components.py

lint: install ## ruff, mypy, import contracts, generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory proto
	git diff --exit-code --stat -- plugins/fate_federated/pb serving/fate_serving/pb

system: ## Debian packages that the tests need beyond PyPI: a PostgreSQL server
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { \
		if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq postgresql; \
		else echo "PostgreSQL is missing: apt-get install postgresql. Its tests will say that they skip."; fi; }

# Tests that may run two at a time: they start no Airflow, and none of them waits for a process for less than seconds.
PAIRED := $(addprefix tests/,catalog cli components crypto dag_factory dsl examples federation gateway hetero_lr homo \
	linear registry secureboost sshe upload wire)
ALONE := $(filter-out $(PAIRED) tests/__pycache__,$(patsubst %/,%,$(wildcard tests/*/)))

test: install system ## the whole suite
	$(BIN)/python -m pytest --numprocesses 2 $(PAIRED); paired=$$?; \
		$(BIN)/python -m pytest $(ALONE) && exit $$paired

bench: install ## every benchmark, one after the other
	@for script in $(filter-out benchmarks/report.py benchmarks/__init__.py,$(wildcard benchmarks/*.py)); do \
		echo "== $$script"; $(BIN)/python $$script || exit 1; done

demo: install ## one site with three parties runs a federated job on real data in Airflow
	$(BIN)/python -m demo.one_site

demo-sites: install ## the same job over three sites, each with its own Airflow
	$(BIN)/python -m demo.three_sites

up: install ## start the site in ./site, made with three parties if there is none
	$(BIN)/python -m demo.one_site --only-up

down: ## stop the site in ./site and those in ./sites
	@for site in site sites/*/; do if [ -f $$site/site.yaml ]; then $(BIN)/fate site down --site $$site; fi; done

clean: down ## remove what the commands above made, except .venv
	rm -rf site sites .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
