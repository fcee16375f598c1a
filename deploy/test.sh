#!/usr/bin/env bash
# All checks and tests, from a fresh clone: bash deploy/test.sh [arguments for pytest, for instance -k NAME]
# Stops at the first step that fails. The last line is pytest's: "N passed".
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash deploy/setup.sh test

step() {
  printf '==> %s\n' "$*"
  ".venv/bin/$1" "${@:2}"
}

workers=$(nproc)
((workers > 1)) || workers=2 # most tests wait for other processes

step ruff check
step ruff format --check
step mypy --strict
step lint-imports
step pytest -q -n "$workers" "$@"
