SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install system demo demo-sites up down test lint proto bench lock clean

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

proto: install ## generate plugins/fate_federated/pb from proto/
	$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=plugins --grpc_python_out=plugins \
		--mypy_out=plugins --mypy_grpc_out=plugins $$(find proto -name '*.proto' | sort)

lint: install ## ruff, mypy, import contracts, generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory proto
	git diff --exit-code --stat -- plugins/fate_federated/pb
