#!/bin/sh
# Resolves the locked, hashed requirement lists again. Needs uv, and a pip configuration or
# UV_FIND_LINKS that finds a CPU build of torch.
set -eu
cd "$(dirname "$0")/.."
compile="${UV:-uv} pip compile --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet"
# The three distributions together, with what the tests need.
all="clients/python/pyproject.toml service/pyproject.toml deploy/demo/pyproject.toml --group pyproject.toml:dev
  --extra bulk --extra postgres --extra report --extra tracing --extra training
  --no-emit-package trueodds --no-emit-package trueodds-service"

# What is locked stays so where it still fits; pass --upgrade for the newest.
compile="$compile $*"

mkdir -p build
cat requirements/cpu-torch.txt requirements/cpu.txt > build/cpu.txt
# shellcheck disable=SC2086 (several words are meant)
$compile $all --extra cpu --override requirements/overrides-cpu.txt --output-file build/cpu.txt
# torch's CPU build is not on PyPI: its pin is a list of its own, installed first.
awk '/^[^ ]/ {torch = /^torch==/} torch' build/cpu.txt > requirements/cpu-torch.txt
awk '/^[^ ]/ {torch = /^torch==/} !torch' build/cpu.txt > requirements/cpu.txt

# shellcheck disable=SC2086
$compile $all --extra cuda --constraint requirements/constraints-cuda.txt --output-file requirements/cuda.txt
$compile requirements/proto.in --output-file requirements/proto.txt
