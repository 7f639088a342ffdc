"""Times a network on this machine. `python benchmark.py --help` says how.

Each row is a process of its own, timed in turn with the default step. If the machine becomes
slower for a while, both do. So trust the ratio of their medians more than either time.
"""
import contextlib
import fnmatch
import json
import multiprocessing
import os
import signal
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cli
import config
import registry
from data.readers.files import expect
from output import check_writable, say, write_whole, writing
from settings import InputError

SLOW = 30_000  # ms: when the medians of its turns add up to so much, a row gets no further turn
COLUMNS = ("train ms", "of default", "predict ms", "images/s", "peak MiB", "compile s")
DIRECT = {"CONV_WAY": "direct", "JIT": "off"}


@dataclass(frozen=True)
class Row:
    """One row: how it differs from the default step."""
    settings: dict = field(default_factory=dict)     # of config.TRAIN
    side: int = 28                                   # height and width of the images, in pixels
    labels: int = 1                                  # of each image: the decoder runs for each
    environment: dict = field(default_factory=dict)  # variables, before TensorFlow is imported


def rows(quick: bool = False, pattern: str = "*") -> dict[str, Row]:
    """Returns the rows by name whose names match the pattern. quick: only those of the headline."""
    # naive: procedure 1 as one writes it first, with TensorFlow's own memory settings
    naive = Row({**DIRECT, "ROUTING_WAY": "plain"}, environment={"TF_CPU_ALLOCATOR_USE_BFC": "0"})
    table = {"default": Row(), "direct": Row(DIRECT), "naive": naive}
    if not quick:
        table |= {"unrolled routing": Row({"ROUTING_WAY": "static"}),
                  "fourier, not compiled": Row({"CONV_WAY": "fourier", "JIT": "off"}),
                  "multimnist": Row({"CNN_LAYERS": "multimnist"}, side=36, labels=2)}
        for size in (1, 4, 8, 16, 32, 100, 256, 512):
            table[f"batch {size}"] = Row({"BATCH_SIZE": size})
            table[f"batch {size}, direct"] = Row({"BATCH_SIZE": size, **DIRECT})
            if size <= 32:  # `auto` takes it for larger ones on a CPU
                table[f"batch {size}, fourier"] = Row({"BATCH_SIZE": size, "CONV_WAY": "fourier"})
        table |= {f"{n} routing iterations": Row({"ROUTING_ITERS": n}) for n in range(1, 6)}
        table |= {f"routing {name}": Row({"ROUTING": name})
                  for name in registry.names("model.routings") if name != "dynamic"}
        table |= {f"{side} x {side} pixels": Row(side=side) for side in (36, 40, 48)}
        table |= {f"efficient_capsnet, {side}": Row({"MODEL": "efficient_capsnet"}, side)
                  for side in (28, 36, 40)}
    return {name: row for name, row in table.items() if fnmatch.fnmatchcase(name, pattern)}


class Worker:
    """A process of its own for a row. settings: of every row; the row's own override them."""

    def __init__(self, row: Row, settings: dict):
        context, self.settings = multiprocessing.get_context("spawn"), settings | row.settings
        self.connection, other = context.Pipe()
        given = (other, row.environment, self.settings, row.side, row.labels)
        self.process = context.Process(target=serve, args=given, daemon=True)
        # Ctrl-C is not for the row, which inherits that it is ignored.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.process.start()
        signal.signal(signal.SIGINT, handler)
        other.close()

    def ask(self, question: str) -> Any:
        """Returns the answer of timing/stopwatch.py. InputError if the process ends by itself."""
        try:
            self.connection.send(question)
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            raise InputError(f"the process that was to measure {question} ended by itself with "
                             f"status {self.process.exitcode}; its reason is above") from None

    def close(self):
        self.process.kill()
        self.process.join()


def serve(connection, environment: dict, *given):
    """Answers questions in the row's process, until nobody asks any more."""
    os.dup2(2, 1)  # what a network's file prints is no part of the table
    os.environ |= environment
    cli.start_tensorflow()
    from timing.stopwatch import answers
    answer = answers(*given)
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(answer[connection.recv()]())


def benchmark(table: dict[str, Row], settings: dict, repeats: int, file: str | None):
    """Prints the rows and the parts of the first one, and writes them as JSON to `file`, if any."""
    results = {"settings": settings, "rows": {}}
    say(" " * 24 + "".join(f"{name:>12}" for name in COLUMNS))
    with contextlib.closing(Worker(Row(), settings)) as default:
        for name, row in table.items():
            with contextlib.closing(Worker(row, settings)) as worker:
                results["rows"][name] = numbers = compare(worker, default, repeats)
                say(f"{name:24}" + "".join(f"{number:12.2f}" for number in numbers.values()))
                if "parts" not in results:
                    results["parts"] = worker.ask("parts")
            if file:  # now: what is measured is not lost if a later row fails
                with writing(file, "--json"):
                    write_whole(Path(file), json.dumps(results, indent=1).encode())
    say(f"\nparts of a step ({next(iter(table))}), forward and backward, each alone, in ms")
    for name, ms in results["parts"].items():
        say(f"{name:24}{ms:12.2f}")


def compare(worker: Worker, default: Worker, repeats: int) -> dict[str, float]:
    """Returns a row's COLUMNS, timed in turn with the default. Slow rows get fewer turns."""
    compile_s = worker.ask("compile s")
    train, predict, default_train = [], [], []
    while len(train) < repeats and sum(train) < SLOW:
        train.append(worker.ask("train ms"))
        default_train.append(default.ask("train ms"))
        predict.append(worker.ask("predict ms"))
    ms = statistics.median(train)
    numbers = (ms, ms / statistics.median(default_train), statistics.median(predict),
               1000 * worker.settings["BATCH_SIZE"] / ms, worker.ask("peak MiB"), compile_s)
    return dict(zip(COLUMNS, numbers, strict=True))


def main() -> int:
    parser = cli.Parser(
        description="Time training and prediction on this machine, on random images, in each "
                    "implementation and size. The whole table takes 20 minutes or more.",
        epilog="example: python benchmark.py --rows 'batch *'")
    # the network: the settings of every row
    of_networks = registry.settings("model.networks")
    settings = {name: config.TRAIN[name] for name in ("MODEL", *of_networks, "BATCH_SIZE")}
    parser.add_settings("network", settings)
    # the table
    add = parser.add_argument_group("table").add_argument
    add("--quick", action="store_true", help="only the headline: default, direct and naive")
    add("--rows", default="*", metavar="PATTERN", help="rows whose name matches, as in a shell")
    add("--repeats", type=int, default=5, metavar="N", help="turns of each row (default 5)")
    add("--json", type=cli.path, metavar="FILE", help="write every number to FILE")
    given, args = parser.parse(settings)

    # which rows, and with what
    chosen = rows(args.quick, args.rows)
    expect(chosen, "--rows", f"a pattern for some of {', '.join(rows(args.quick))}", args.rows)
    expect(args.repeats > 0, "--repeats", "1 or more", args.repeats)
    if args.json:
        check_writable("--json", Path(args.json))
    defaults = {name: setting.default for name, setting in settings.items()}
    benchmark(chosen, {**defaults, **given}, args.repeats, args.json)
    return 0


if __name__ == "__main__":
    cli.run(main)
