#!/usr/bin/env bash
# Lint and the whole test suite; further arguments go to pytest: bash tests/run.sh -k routing
# Installs what is missing into .venv first.
set -eu
source "$(dirname "${BASH_SOURCE[0]}")/../code/environment.sh"
use_python "$root/requirements.txt" "$root/tests/requirements.txt"
cd "$root"
"$PYTHON" -m ruff check code tests
exec "$PYTHON" -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal "$@"
