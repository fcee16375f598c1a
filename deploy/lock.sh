#!/usr/bin/env bash
# Makes the lock files: bash deploy/lock.sh [--upgrade | --upgrade-package NAME]
# Needs uv (in .venv or on PATH) and a package index. Without arguments, pins stay as they are.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
uv=$(command -v .venv/bin/uv || command -v uv) || {
  echo "lock.sh: uv is missing; install it with: .venv/bin/pip install uv" >&2
  exit 1
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# One lock for all platforms and Python 3.11 to 3.13. The extras stay in the names, so that pip's hash mode, which
# wants every requirement of a requirement pinned as it is written, takes the file with and without --no-deps.
compile=("$uv" pip compile --quiet --universal --python-version 3.11 --group build)

"${compile[@]}" "$@" --generate-hashes --no-annotate --no-strip-extras \
  --custom-compile-command "bash deploy/lock.sh" pyproject.toml -o requirements.lock
"${compile[@]}" "$@" --generate-hashes --no-annotate --no-strip-extras --group dev -c requirements.lock \
  --custom-compile-command "bash deploy/lock.sh" pyproject.toml -o requirements-dev.lock

# Which hash is which file: from here on the check of the wheels needs no network.
"${compile[@]}" --group dev -c requirements-dev.lock --format pylock.toml pyproject.toml -o "$scratch/pylock.toml"
.venv/bin/python deploy/wheels.py write "$scratch/pylock.toml"
