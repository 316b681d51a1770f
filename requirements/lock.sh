#!/bin/sh
# Resolves the locked, hashed requirement lists again. Needs uv, and a pip configuration or
# UV_FIND_LINKS that finds a CPU build of torch.
set -eu
cd "$(dirname "$0")/.."
compile="${UV:-uv} pip compile --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet"

mkdir -p build
$compile pyproject.toml --extra cpu --extra dev --no-emit-package trueodds \
  --override requirements/overrides-cpu.txt --output-file build/cpu.txt
# torch's CPU build is not on PyPI: its pin is a list of its own, installed first.
awk '/^[^ ]/ {torch = /^torch==/} torch' build/cpu.txt > requirements/cpu-torch.txt
awk '/^[^ ]/ {torch = /^torch==/} !torch' build/cpu.txt > requirements/cpu.txt

$compile pyproject.toml --extra cuda --extra dev --no-emit-package trueodds \
  --constraint requirements/constraints-cuda.txt --output-file requirements/cuda.txt
$compile requirements/proto.in --output-file requirements/proto.txt
