"""The benchmark: each row's times beside those of the default step, in turn.

A few steps of one, a few of the other, again and again. If the machine becomes slower for a while,
both do. So the ratio of their medians can be trusted more than either time.
"""
import contextlib
import json
import os
import platform
import statistics
from pathlib import Path

from output import reason_of, say, write_whole
from settings import InputError
from timing.rows import DEFAULT, Row
from timing.worker import Worker

# The columns of the table: their names, and below them their units.
NAMES = (f"{'':34} {'train':>8} {'spread':>13} {'of':>7} {'infer':>8} {'images/s':>14} {'peak':>6} "
         f"{'compile':>7}")
UNITS = (f"{'':34} {'ms':>8} {'ms':>13} {'default':>7} {'ms':>8} {'train':>7}{'infer':>7} "
         f"{'MiB':>6} {'s':>7}")
SLOW = 30_000  # ms: when the medians of its turns add up to so much, a row gets no further turn


def benchmark(rows: dict[str, Row], settings: dict, repeats: int, file: str | None = None):
    """Times the rows, prints the table, and writes every number as JSON to `file`, row by row.

    settings: what every row has, MODEL and BATCH_SIZE at least; repeats: turns of each row.
    InputError if a row's process crashes, or if `file` cannot be written.
    """
    # The rows, each in turn with the default step.
    say(NAMES)
    say(UNITS)
    reference = []  # ms of the default step, in every turn of every row
    results = {"settings": settings, "rows": {}}
    with contextlib.closing(Worker(DEFAULT, settings)) as default:
        results |= default.ask("machine")
        for name, row in rows.items():
            result = compare(default, row, settings, repeats, reference)
            results["rows"][name] = result
            say(line(name, result))
            keep(results, file)  # what is measured is not lost if a later row fails

    # The parts of the first row's step.
    results["parts_of"] = first = next(iter(rows))
    with contextlib.closing(Worker(rows[first], settings)) as worker:
        results["parts"] = worker.ask("parts")

    # What follows from them: no direct step can take less than its products at the peak speed.
    results["default_step_ms"] = statistics.median(reference)
    if settings["MODEL"] == "capsnet":
        bound = direct_gflop(settings["BATCH_SIZE"]) / results["matmul_peak_gflops"]
        results["direct_bound_ms"] = 1000 * bound
    keep(results, file)
    report(results)


def keep(results: dict, file: str | None):
    """Writes the results so far, and what the machine is, as JSON to `file`, if there is one.

    InputError if it cannot be written.
    """
    if file is None:
        return
    machine = {"hardware": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    text = json.dumps({**results, **machine}, indent=1)
    try:
        write_whole(Path(file), f"{text}\n".encode())
    except OSError as error:
        raise InputError(f"--json: cannot write {file} ({reason_of(error)})") from None


def compare(default: Worker, row: Row, settings: dict, repeats: int,
            reference: list[float]) -> dict:
    """-> one row of the table, from a new process, timed in turn with the default's. Slow rows get
    fewer turns.

    The default's times, in ms, are added to `reference`.
    """
    train, infer, default_train = [], [], []
    with contextlib.closing(Worker(row, settings)) as worker:
        while len(train) < repeats and sum(train) < SLOW:
            train.append(worker.ask("train"))
            default_train.append(default.ask("train"))
            infer.append(worker.ask("infer"))
        memory = worker.ask("memory")
    reference += default_train
    return {"batch_size": {**settings, **row.settings}["BATCH_SIZE"],
            "train_ms": statistics.median(train), "train_spread_ms": [min(train), max(train)],
            "of_default": statistics.median(train) / statistics.median(default_train),
            "infer_ms": statistics.median(infer), **memory, "compile_s": worker.compile_s}


def line(name: str, result: dict) -> str:
    """-> a row of the table as text"""
    low, high = result["train_spread_ms"]
    images = 1000 * result["batch_size"]
    return (f"{name:34} {result['train_ms']:8.1f} {low:6.0f}-{high:<6.0f} "
            f"{result['of_default']:7.2f} {result['infer_ms']:8.1f} "
            f"{images / result['train_ms']:7.0f}{images / result['infer_ms']:7.0f} "
            f"{result['peak_mib']:6.0f} {result['compile_s']:7.1f}")


def report(results: dict):
    """Prints what lies below the table."""
    rows = results["rows"]
    say(f"\nparts of a step ({results['parts_of']}), forward and backward, each alone")
    for name, (median, low, high) in results["parts"].items():
        say(f"{name:34} {median:8.1f} {low:6.0f}-{high:<6.0f}")
    say(f"\nthis machine moves {results['memory_gb_per_s']:.0f} GB/s and multiplies matrices at "
        f"up to {results['matmul_peak_gflops']:.0f} GFLOP/s")
    if "direct_bound_ms" in results:
        bound = results["direct_bound_ms"]
        gflop = direct_gflop(results["settings"]["BATCH_SIZE"])
        say(f"a direct step of {gflop:.1f} GFLOP takes at least {bound:.0f} ms\n"
            f"default step / that bound: {results['default_step_ms'] / bound:.2f}")
    if "naive" in rows:
        say(f"naive step / default step: {rows['naive']['of_default']:.2f}")
    if "default" in rows and "direct" in rows:
        ratio = rows["default"]["peak_mib"] / rows["direct"]["peak_mib"]
        say(f"peak memory, default / direct: {ratio:.2f}")


def direct_gflop(batch_size: int) -> float:
    """-> 2 x the multiply-adds of a CapsNet's training step with direct convolutions, in 10^9.

    Each layer counts 3 times: forward, the gradient of its input, the gradient of its weights.
    conv1 counts twice: its input is the image. Routing, activations and Adam are left out.
    """
    conv1, primary, votes = 20 * 20 * 81 * 256, 6 * 6 * 81 * 256 * 256, 1152 * 8 * 160
    decoder = 160 * 512 + 512 * 1024 + 1024 * 784
    return 2e-9 * batch_size * (2 * conv1 + 3 * (primary + votes + decoder))
