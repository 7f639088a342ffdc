#!/usr/bin/env bash
# Trains with all flags passed through to code/train.py and everything it prints also written to a dated log:
#   bash train.sh --dataset glyphs --max_iters 200
# Installs what is missing into .venv first. The exit status is that of the training.
set -u
source "$(dirname "${BASH_SOURCE[0]}")/code/environment.sh"
mkdir -p "$root/output" && log="$root/output/train-$(date +%Y-%m-%d_%H%M%S).log" || exit 2
exec > >(trap '' INT TERM; tee "$log") 2>&1  # tee has to outlive a signal, to log what the training does about it
tee=$!
use_python "$root/requirements.txt" || exit

"$PYTHON" "$root/code/train.py" "$@" &
training=$!
trap 'kill -TERM $training' INT TERM  # the training saves and says how to continue
wait $training
status=$?
while kill -0 $training 2>/dev/null; do  # a signal interrupts the wait, not the training
    wait $training
    status=$?
done
echo "log: $log"
exec >&- 2>&-
wait $tee 2>/dev/null
exit $status
