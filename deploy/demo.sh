#!/usr/bin/env bash
# The demo, from a fresh clone: bash deploy/demo.sh [--once] [--live] [--port N]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/deploy/setup.sh" demo
exec "$root/.venv/bin/pimainteno" demo "$@"
