"""Measures one row of benchmark.py's table, in a process of its own: `python stopwatch.py ROW`, where ROW is JSON.

Every line on standard input is a question, every line on standard output the answer, in JSON.
"""
import json
import resource
import statistics
import sys
import time

import numpy as np
import tensorflow as tf

import capsnet
import config
import data
import trainer
from capsules import squash


def main(row):
    """Builds the row's network and answers questions until they end."""
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
        "machine": lambda: {"matmul_peak_gflops": matmul_peak(), "memory_gb_per_s": bandwidth(),
                            "tensorflow": tf.__version__},
    }
    for question in sys.stdin:
        print(json.dumps(answers[question.strip()]()), flush=True)


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


def matmul_peak():
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


def bandwidth():
    """-> GB/s of reading 128 MiB and writing as much."""
    x = tf.zeros([2 ** 25])
    double = tf.function(lambda x: x + x, jit_compile=True)
    double(x)
    return 2 * 4 * 2 ** 25 / 1e6 / steps(lambda: double(x)[0].numpy())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
