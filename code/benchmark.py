"""Times a CapsNet: whole steps in every way it can be computed, its parts, and how cost grows. `--help` says how.

Every row is measured in a process of its own, so that its memory and its settings are its own, and in turn with the
default step in another process: a few steps of one, a few of the other, again and again. The machine's moods then meet
both alike, and the ratio of their medians can be trusted more than either time.
"""
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import config

STOPWATCH = Path(__file__).with_name("stopwatch.py")
DEFAULT = {"settings": {}}
DIRECT = {"settings": {"CONV_WAY": "direct", "JIT": "off"}}
NEWCOMER = {**DIRECT, "newcomer": True}
HEADLINE = {"default": DEFAULT, "direct": DIRECT, "newcomer": NEWCOMER}
WAYS = {f"{conv}, jit {jit}, {routing}": {"settings": {"CONV_WAY": conv, "JIT": jit, "ROUTING_WAY": routing}}
        for conv in ("fourier", "direct") for jit in ("on", "off") for routing in ("dynamic", "static")}
GROWTH = {**{f"batch {size}": {"settings": {"BATCH_SIZE": size}} for size in (1, 8, 32, 100, 256, 512)},
          **{f"{r} routing iterations": {"settings": {"ROUTING_ITERS": r}} for r in range(1, 6)},
          **{f"{side} x {side} pixels": {"side": side, "settings": {}} for side in (28, 36, 48)}}


def main():
    parser = config.Parser(description="Time training and inference of a CapsNet on this machine, on images of random "
                                       "pixels. The whole table takes 10 minutes or more.")
    parser.add_argument("--quick", action="store_true", help="only the headline: default, direct and newcomer's way")
    parser.add_argument("--batch_size", type=int, default=100, metavar="N", help="images per step (default 100)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="turns of each row (default 5)")
    parser.add_argument("--json", type=os.path.abspath, metavar="FILE", help="write every number to FILE")
    _, args = parser.parse({})
    if min(args.batch_size, args.repeats) < 1:
        parser.error(f"--batch_size, --repeats: expected 1 or more, received {args.batch_size} and {args.repeats}")
    if args.json and (os.path.isdir(args.json) or not os.access(Path(args.json).parent, os.W_OK)):
        parser.error(f"--json: expected a file in a folder to write in, received {args.json}")

    rows = dict(HEADLINE) if args.quick else {**HEADLINE, **WAYS, **GROWTH}
    config.say(f"{'':34} {'train':>8} {'spread':>13} {'of':>7} {'infer':>8} {'images/s':>14} {'peak':>6} "
               f"{'compile':>7}\n"
               f"{'':34} {'ms':>8} {'ms':>13} {'default':>7} {'ms':>8} {'train':>7}{'infer':>7} {'MB':>6} {'s':>7}")
    reference = []  # the default step, all along
    with contextlib.closing(Worker({**DEFAULT, "batch_size": args.batch_size})) as default:
        results = {"rows": {}, "parts": default.ask("parts"), **default.ask("machine")}
        for name, row in rows.items():
            result = compare(default, {"batch_size": args.batch_size, **row}, args.repeats, reference)
            results["rows"][name] = result
            low, high = result["train_spread_ms"]
            images = 1000 * row["settings"].get("BATCH_SIZE", args.batch_size)
            config.say(f"{name:34} {result['train_ms']:8.1f} {low:6.0f}-{high:<6.0f} {result['of_default']:7.2f} "
                       f"{result['infer_ms']:8.1f} {images / result['train_ms']:7.0f}"
                       f"{images / result['infer_ms']:7.0f} {result['peak_mb']:6.0f} {result['compile_s']:7.1f}")

    of = results["rows"]
    results |= {"default_step_ms": statistics.median(reference), "newcomer_step_ms": of["newcomer"]["train_ms"],
                "default_peak_mb": of["default"]["peak_mb"], "direct_peak_mb": of["direct"]["peak_mb"],
                "infer_images_per_s": 1000 * args.batch_size / of["default"]["infer_ms"],
                "batch_size": args.batch_size}
    results["direct_bound_ms"] = direct_gflop(args.batch_size) / results["matmul_peak_gflops"] * 1000
    config.say("\nparts of the default step, forward and backward, each alone")
    for name, (median, low, high) in results["parts"].items():
        config.say(f"{name:34} {median:8.1f} {low:6.0f}-{high:<6.0f}")
    config.say(f"\nthis machine moves {results['memory_gb_per_s']:.0f} GB/s and multiplies matrices at up to "
               f"{results['matmul_peak_gflops']:.0f} GFLOP/s: a direct step of "
               f"{direct_gflop(args.batch_size):.1f} GFLOP takes at least {results['direct_bound_ms']:.0f} ms\n"
               f"default step / that bound: {results['default_step_ms'] / results['direct_bound_ms']:.2f}\n"
               f"newcomer's step / default step: {of['newcomer']['of_default']:.2f}\n"
               f"peak memory, default / direct: {results['default_peak_mb'] / results['direct_peak_mb']:.2f}")
    if args.json:
        text = json.dumps({**results, "hardware": platform.processor() or platform.machine(),
                           "cores": os.cpu_count()}, indent=1)
        config.write_whole(Path(args.json), f"{text}\n".encode())
    return 0


def direct_gflop(batch_size):
    """2 x the multiply-adds of a training step with direct convolutions, in 10^9: each layer's products forward, by
    its input and by its weights (conv1's not by its input, the image). Routing, activations and Adam are left out."""
    conv1, primary, votes = 20 * 20 * 81 * 256, 6 * 6 * 81 * 256 * 256, 1152 * 8 * 160
    decoder = 160 * 512 + 512 * 1024 + 1024 * 784
    return 2e-9 * batch_size * (2 * conv1 + 3 * (primary + votes + decoder))


def compare(default, row, repeats, reference):
    """One row of the table: a new process for it, timed in turn with the default's. Slow rows get fewer turns.

    The default's times, in ms, are added to `reference`.
    """
    train, infer, before = [], [], len(reference)
    with contextlib.closing(Worker(row)) as worker:
        while len(train) < repeats and sum(train) < 30_000:
            train.append(worker.ask("train"))
            reference.append(default.ask("train"))
            infer.append(worker.ask("infer"))
        return {"train_ms": statistics.median(train), "train_spread_ms": [min(train), max(train)],
                "of_default": statistics.median(train) / statistics.median(reference[before:]),
                "infer_ms": statistics.median(infer), **worker.ask("memory"), "compile_s": worker.compile_s}


class Worker:
    """A process that has built and compiled one row (stopwatch.py), and answers each question in one line of JSON."""

    def __init__(self, row):
        config.set_environment()
        environment = dict(os.environ)
        if row.get("newcomer"):  # TensorFlow's own memory settings
            environment.pop("TF_CPU_ALLOCATOR_USE_BFC", None)
        self.process = subprocess.Popen([sys.executable, STOPWATCH, json.dumps(row)], env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        try:
            self.compile_s = self.ask("compile")
        except BaseException:  # Ctrl-C too: nobody else would end it
            self.close()
            raise

    def ask(self, question):
        with contextlib.suppress(BrokenPipeError):  # it has ended
            self.process.stdin.write(question + "\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process asked for '{question}' ended: {self.process.wait()}")
        return json.loads(answer)

    def close(self):
        self.process.kill()  # it has nothing to lose; and Ctrl-C, in its session of its own, does not reach it
        self.process.wait()


if __name__ == "__main__":
    config.run(main)
