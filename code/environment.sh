# Sourced by train.sh and tests/run.sh. `use_python FILE...` sets PYTHON to an interpreter that has
# all that these requirement files name: the active one if it does, otherwise the one in .venv,
# which is made, or completed, when need be.
unset CDPATH  # with it, cd may go elsewhere, and prints where
root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd && echo .)"
root="${root%??}"  # the line's end and the dot, which keeps a line's end in the folder's own name

meets() {  # PYTHON FILE...: does this interpreter have every requirement, in a version that suits?
    "$1" - "${@:2}" >/dev/null 2>&1 <<'EOF_PYTHON'
import sys
from importlib.metadata import version
from packaging.requirements import Requirement  # TensorFlow brings it
for path in sys.argv[1:]:
    for line in filter(None, (line.split("#")[0].strip() for line in open(path))):
        wanted = Requirement(line)
        assert version(wanted.name) in wanted.specifier, line
EOF_PYTHON
}

supported() {  # PYTHON: is there a TensorFlow for it?
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

use_python() {  # FILE...
    local candidate
    for candidate in python python3 "$root/.venv/bin/python"; do
        if meets "$candidate" "$@"; then
            PYTHON=$candidate
            return
        fi
    done
    PYTHON="$root/.venv/bin/python"
    if ! supported "$PYTHON" || ! "$PYTHON" -m pip --version >/dev/null 2>&1; then
        for candidate in python3 python python3.13 python3.12 python3.11 python3.10; do
            supported "$candidate" && break
        done
        if ! supported "$candidate"; then
            echo "error: Python 3.10 to 3.13 is needed, found $(python3 --version 2>&1);" \
                "install one of these" >&2
            return 2
        fi
        echo "making $root/.venv with $("$candidate" --version)" >&2
        "$candidate" -m venv --clear "$root/.venv" || return 2
    fi
    echo "installing what $* name into $root/.venv" >&2
    "$PYTHON" -m pip install --quiet --disable-pip-version-check "${@/#/--requirement=}" || {
        echo "error: pip could not install them, see above" >&2
        return 2
    }
}
