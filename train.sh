#!/usr/bin/env bash
# Trains: all flags go to code/train.py, and all that it prints also goes to a dated log.
#   bash train.sh --dataset glyphs --max_iters 200
# Installs what is missing into .venv first. The exit status is that of the training.
set -u
source "$(dirname -- "${BASH_SOURCE[0]}")/code/environment.sh"

new_log() {  # sets `log` to a file that no other train.sh has, even one started in this second
    local name number=1
    mkdir -p -- "$root/output" || return
    name="$root/output/train-$(date +%Y-%m-%d_%H%M%S)"
    log="$name.log"
    until (set -o noclobber && : > "$log") 2>/dev/null; do
        if [ ! -e "$log" ]; then
            echo "error: cannot write $log" >&2
            return 1
        fi
        number=$((number + 1))
        log="$name-$number.log"
    done
}

last_texts() {  # of each line what follows its last carriage return: bars do not fill the log
    local line
    while IFS= read -r line || [ -n "$line" ]; do
        printf '%s\n' "${line##*$'\r'}"
    done
}

# Everything goes to the terminal and to the log. Both writers have to outlive a signal, to log what
# the training does about it; and the terminal, or whatever reads in its place. GNU's tee needs -p
# for that, others do not know it.
new_log || exit 2
tee -p < /dev/null > /dev/null 2>&1 && lasting=-p || lasting=
exec > >(trap '' INT TERM PIPE; tee $lasting >(last_texts > "$log"); wait $!) 2>&1
writers=$!
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
wait $writers 2>/dev/null
exit $status
