"""Times a CapsNet: whole steps in every way it can be computed, its parts, and how cost grows. `--help` says how.

Every row is measured in a process of its own, so that its memory and its settings are its own, and in turn with the
default step in another process: a few steps of one, a few of the other, again and again. The machine's moods then meet
both alike, and the ratio of their medians can be trusted more than either time.
"""
import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import config

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
                                       "pixels. The whole table takes about 15 minutes.")
    parser.add_argument("--quick", action="store_true", help="only the headline: default, direct and newcomer's way")
    parser.add_argument("--batch_size", type=int, default=100, metavar="N", help="images per step (default 100)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="turns of each row (default 5)")
    parser.add_argument("--json", type=os.path.abspath, metavar="FILE", help="write every number to FILE")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    _, args = parser.parse({})
    if args.worker:
        return work(json.loads(args.worker))
    if min(args.batch_size, args.repeats) < 1:
        parser.error(f"--batch_size, --repeats: expected 1 or more, received {args.batch_size} and {args.repeats}")
    if args.json and (os.path.isdir(args.json) or not os.access(Path(args.json).parent, os.W_OK)):
        parser.error(f"--json: expected a file in a folder to write in, received {args.json}")

    rows = dict(HEADLINE) if args.quick else {**HEADLINE, **WAYS, **GROWTH}
    print(f"{'':34} {'train':>8} {'spread':>13} {'of':>7} {'infer':>8} {'images/s':>14} {'peak':>6} {'compile':>7}\n"
          f"{'':34} {'ms':>8} {'ms':>13} {'default':>7} {'ms':>8} {'train':>7}{'infer':>7} {'MB':>6} {'s':>7}")
    default = Worker({**DEFAULT, "batch_size": args.batch_size})
    results = {"rows": {}, "parts": default.ask("parts"), **default.ask("machine")}
    reference = []  # the default step, all along
    for name, row in rows.items():
        result = compare(default, {"batch_size": args.batch_size, **row}, args.repeats, reference)
        results["rows"][name] = result
        low, high = result["train_spread_ms"]
        images = 1000 * row["settings"].get("BATCH_SIZE", args.batch_size)
        print(f"{name:34} {result['train_ms']:8.1f} {low:6.0f}-{high:<6.0f} {result['of_default']:7.2f} "
              f"{result['infer_ms']:8.1f} {images / result['train_ms']:7.0f}{images / result['infer_ms']:7.0f} "
              f"{result['peak_mb']:6.0f} {result['compile_s']:7.1f}", flush=True)
    default.close()

    of = results["rows"]
    results |= {"default_step_ms": statistics.median(reference), "newcomer_step_ms": of["newcomer"]["train_ms"],
                "default_peak_mb": of["default"]["peak_mb"], "direct_peak_mb": of["direct"]["peak_mb"],
                "infer_images_per_s": 1000 * args.batch_size / of["default"]["infer_ms"],
                "batch_size": args.batch_size}
    results["direct_bound_ms"] = direct_gflop(args.batch_size) / results["matmul_peak_gflops"] * 1000
    print("\nparts of the default step, forward and backward, each alone")
    for name, (median, low, high) in results["parts"].items():
        print(f"{name:34} {median:8.1f} {low:6.0f}-{high:<6.0f}")
    print(f"\nthis machine moves {results['memory_gb_per_s']:.0f} GB/s and multiplies matrices at up to "
          f"{results['matmul_peak_gflops']:.0f} GFLOP/s: a direct step of "
          f"{direct_gflop(args.batch_size):.1f} GFLOP takes at least {results['direct_bound_ms']:.0f} ms\n"
          f"default step / that bound: {results['default_step_ms'] / results['direct_bound_ms']:.2f}\n"
          f"newcomer's step / default step: {of['newcomer']['of_default']:.2f}\n"
          f"peak memory, default / direct: {results['default_peak_mb'] / results['direct_peak_mb']:.2f}")
    if args.json:
        Path(args.json).write_text(json.dumps({**results, "hardware": platform.processor() or platform.machine(),
                                               "cores": os.cpu_count()}, indent=1) + "\n")
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
    worker = Worker(row)
    train, infer, before = [], [], len(reference)
    while len(train) < repeats and sum(train) < 30_000:
        train.append(worker.ask("train"))
        reference.append(default.ask("train"))
        infer.append(worker.ask("infer"))
    result = {"train_ms": statistics.median(train), "train_spread_ms": [min(train), max(train)],
              "of_default": statistics.median(train) / statistics.median(reference[before:]),
              "infer_ms": statistics.median(infer), **worker.ask("memory"), "compile_s": worker.compile_s}
    worker.close()
    return result


class Worker:
    """A process that has built and compiled one row, and answers each question in one line of JSON."""

    def __init__(self, row):
        environment = dict(os.environ)
        if row.get("newcomer"):  # TensorFlow's own memory settings
            environment.pop("TF_CPU_ALLOCATOR_USE_BFC", None)
        self.process = subprocess.Popen([sys.executable, __file__, "--worker", json.dumps(row)], env=environment,
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.compile_s = self.ask("compile")

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process asked for '{question}' ended: {self.process.wait()}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def work(row):
    """The other end: builds the row's network and answers questions until they end."""
    if not row.get("newcomer"):
        config.set_environment()
    import numpy as np
    import tensorflow as tf

    import capsnet
    import trainer

    cfg = config.Config(config.TRAIN, {"BATCH_SIZE": row["batch_size"], **row["settings"]})
    side = row.get("side", 28)
    if row.get("newcomer"):
        capsnet.DigitCaps.call = newcomers_digit_caps
    tf.keras.utils.set_random_seed(cfg.SEED)
    model = capsnet.CapsNet(cfg, (side, side, 1), 10)
    optimizer = trainer.make_optimizer(cfg)
    random = np.random.default_rng(0)
    images = random.uniform(size=(cfg.BATCH_SIZE, side, side, 1)).astype(np.float32)
    labels = random.integers(0, 10, cfg.BATCH_SIZE, np.int32)
    train_step, test_step = trainer.make_train_step(model, optimizer, cfg), trainer.make_test_step(model, cfg)

    def compile_s():
        """The first step, less what a step takes."""
        first, second = (timed(lambda: train_step(images, labels)) for _ in range(2))
        timed(lambda: test_step(images, labels))
        return (first - second) / 1000

    answers = {
        "compile": compile_s,
        "train": lambda: steps(lambda: train_step(images, labels)),
        "infer": lambda: steps(lambda: test_step(images, labels)),
        "memory": lambda: {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                           / (2 ** 20 if sys.platform == "darwin" else 2 ** 10)},
        "parts": lambda: parts(model, optimizer, cfg, images),
        "machine": lambda: {"matmul_peak_gflops": matmul_peak(tf), "memory_gb_per_s": bandwidth(tf),
                            "tensorflow": tf.__version__},
    }
    for question in sys.stdin:
        print(json.dumps(answers[question.strip()]()), flush=True)
    return 0


def timed(call):
    """-> ms"""
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def steps(call):
    """-> ms per call: the median of as many as take half a second, at least three unless they are slow."""
    times = []
    while sum(times) < 500 or (len(times) < 3 and sum(times) < 3000):
        times.append(timed(call))
    return statistics.median(times)


def newcomers_digit_caps(self, u):
    """The capsule layer as one writes it first: votes by einsum, tf.while_loop, automatic gradient."""
    import tensorflow as tf

    from capsules import squash
    u_hat = tf.einsum("bid,idje->bije", u, self.W)

    def weigh(b):
        return squash(tf.reduce_sum(tf.nn.softmax(b)[..., None] * u_hat, axis=1))

    def update(n, b):
        return n + 1, b + tf.reduce_sum(u_hat * weigh(b)[:, None], axis=-1)

    _, b = tf.while_loop(lambda n, _: n < self.iterations - 1, update, (0, tf.zeros_like(u_hat[..., 0])),
                         maximum_iterations=self.iterations - 1)
    return weigh(b)


def parts(model, optimizer, cfg, images):
    """-> {part: [median, least, most] ms} of its value and its gradients by weights and, but for conv1, by input."""
    import tensorflow as tf

    import data
    import trainer
    features = model.conv1(images)
    u = model.primary_caps(features)
    v = model.digit_caps(u)

    def of(layer, x, by_input=True):
        weight = tf.random.normal(layer(x).shape)  # what the next layer's gradient would be

        def forward_and_backward(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(layer(x) * weight)
            return tape.gradient(loss, layer.trainable_variables + ([x] if by_input else []))

        function = trainer.compiled(forward_and_backward, cfg)
        return lambda: function(x)[0].numpy()

    def adam():
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    gradients = [tf.random.normal(variable.shape) for variable in model.trainable_variables]
    split = data.Split((images * 255).astype("uint8"), tf.zeros(len(images), tf.int32).numpy())
    calls = {"conv1": of(model.conv1, tf.constant(images), by_input=False),
             "PrimaryCaps": of(model.primary_caps, features),
             "votes and routing": of(model.digit_caps, u), "decoder": of(model.decoder, v),
             "Adam": trainer.compiled(adam, cfg),
             "input: gather, shift, scale": lambda: data.batch(split, 0, 0, cfg.BATCH_SIZE, cfg.SHIFT)}
    times = {name: [] for name in calls}
    for call in calls.values():
        call()  # compiles
    for _ in range(7):
        for name, call in calls.items():
            times[name].append(timed(call))
    return {name: [statistics.median(ms), min(ms), max(ms)] for name, ms in times.items()}


def matmul_peak(tf):
    """-> GFLOP/s of the fastest of a few large products, TensorFlow's and XLA's."""
    best = 0
    for m, k, n in ((2048, 2048, 2048), (4096, 1024, 4096), (3600, 20736, 256)):
        a, b = tf.random.normal([m, k]), tf.random.normal([k, n])
        for jit in (False, True):
            product = tf.function(tf.matmul, jit_compile=jit)
            product(a, b)
            ms = steps(lambda a=a, b=b, product=product: product(a, b)[0, 0].numpy())
            best = max(best, 2e-6 * m * k * n / ms)
    return best


def bandwidth(tf):
    """-> GB/s of reading 128 MiB and writing as much."""
    x = tf.zeros([2 ** 25])
    double = tf.function(lambda x: x + x, jit_compile=True)
    double(x)
    return 2 * 4 * 2 ** 25 / 1e6 / steps(lambda: double(x)[0].numpy())


if __name__ == "__main__":
    config.run(main)
