"""Training and evaluation of a CapsNet: one step, one pass over a split, and the loop around them."""
import math
import signal

import numpy as np
import tensorflow as tf
from tqdm import tqdm

import data
import distribution
from losses import losses


class NotFinite(ArithmeticError):
    """The loss or the gradient of a step is no longer a number. Neither the weights nor a checkpoint are touched."""


def make_optimizer(cfg):
    """Adam with the paper's (TensorFlow's first) constants; the learning rate falls by steps, as in the original."""
    schedule = tf.keras.optimizers.schedules.ExponentialDecay(cfg.LR, cfg.STEP_SIZE, cfg.DECAY_RATIO, staircase=True)
    return tf.keras.optimizers.Adam(schedule, epsilon=1e-8)


def step_of(optimizer):
    """-> the steps done so far."""
    return int(optimizer.iterations.numpy())  # int() alone does not know the mirrored variables of a strategy


def compiled(function, cfg):
    """`function` as one tf.function, compiled by XLA as JIT and CONV_WAY say."""
    slow_in_xla = cfg.CONV_WAY == "direct" and not tf.config.get_visible_devices("GPU")
    return tf.function(function, jit_compile=cfg.JIT == "on" or (cfg.JIT == "auto" and not slow_in_xla))


def make_train_step(model, optimizer, cfg, strategy=None):
    """-> a function of images [B, H, W, C] in [0, 1] and labels [B] that trains one step and returns its metrics.

    It raises NotFinite before anything is changed. `strategy`: see distribution.py; with one, the gradient is compiled
    for each replica's part of the batch, and neither its sum over replicas nor the update is.
    """

    def differentiate(images, labels):
        with tf.GradientTape() as tape:
            output = model(images, labels)
            total, margin, reconstruction = losses(output, images, labels, cfg)
            loss = tf.reduce_sum(total) / cfg.BATCH_SIZE  # of this part; over all parts it adds up to the mean
        gradients = tape.gradient(loss, model.trainable_variables)
        values = {"margin": margin, "reconstruction": reconstruction, "accuracy": _correct(output, labels)}
        return gradients, {"loss": loss, **{name: tf.reduce_sum(value) / cfg.BATCH_SIZE
                                            for name, value in values.items()}}

    def update(gradients):
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    differentiate = distribution.summed(compiled(differentiate, cfg), strategy)
    update = distribution.update(optimizer, model.trainable_variables, strategy) if strategy else compiled(update, cfg)

    def train_step(images, labels):
        gradients, metrics = differentiate(images, labels)
        metrics = {name: float(value) for name, value in distribution.local(metrics, strategy).items()}
        metrics["gradient_norm"] = float(tf.linalg.global_norm(distribution.local(gradients, strategy)))
        if not np.isfinite([metrics["loss"], metrics["gradient_norm"]]).all():
            raise NotFinite(f"loss {metrics['loss']}, gradient norm {metrics['gradient_norm']}")
        update(gradients)
        return metrics

    return train_step


def make_test_step(model, cfg, strategy=None):
    """-> a function of images and labels that returns the sums of the metrics over the batch, as `evaluate` needs.

    The reconstruction is judged as it would be made with no label at hand: from the longest capsule.
    """

    def of_part(images, labels, counted):
        output = model(images)
        total, margin, reconstruction = losses(output, images, labels, cfg)
        sums = {"loss": total, "margin": margin, "reconstruction": reconstruction, "accuracy": _correct(output, labels)}
        return {name: tf.reduce_sum(value * counted) for name, value in sums.items()}

    of_parts = distribution.summed(compiled(of_part, cfg), strategy)

    def test_step(images, labels):
        size = -(-len(labels) // distribution.replicas(strategy)) * distribution.replicas(strategy)
        index = np.arange(size)  # the last image fills the parts up, and does not count again
        counted = (index < len(labels)).astype(np.float32)
        index = np.minimum(index, len(labels) - 1)
        sums = of_parts(images[index], labels[index], counted)
        return {name: float(value) for name, value in distribution.local(sums, strategy).items()}

    return test_step


def _correct(output, labels):
    """-> 1.0 where the longest capsule is the label's, else 0.0, [B]"""
    return tf.cast(tf.equal(tf.argmax(output.lengths, axis=-1, output_type=labels.dtype), labels), tf.float32)


def evaluate(test_step, split, batch_size, progress=None):
    """-> mean loss, margin, reconstruction and accuracy over the whole split, every image once. `progress`: a title."""
    sums = {}
    batches = data.batches(split, batch_size)
    total = math.ceil(len(split.labels) / batch_size)
    for images, labels in tqdm(batches, progress, total, leave=False, disable=progress is None):
        for name, value in test_step(images, labels).items():
            sums[name] = sums.get(name, 0.0) + value
    return {name: value / len(split.labels) for name, value in sums.items()}


class StopSignals:
    """While it is entered, SIGINT and SIGTERM only set `received`, so that a step can be finished and saved.

    A second SIGINT is a KeyboardInterrupt: stop now.
    """
    received, interrupted = None, False

    def __enter__(self):
        self.before = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _receive(self, number, frame):
        if number == signal.SIGINT and self.interrupted:
            raise KeyboardInterrupt
        self.received = self.received or number  # train.sh sends SIGTERM after a terminal's SIGINT
        self.interrupted = self.interrupted or number == signal.SIGINT

    def __exit__(self, *exception):
        for number, handler in self.before.items():
            signal.signal(number, handler)


def fit(model, optimizer, dataset, cfg, run, strategy=None):
    """Trains from the optimizer's step to MAX_ITERS. -> the signal that ended it early, or None.

    `run` (rundir.Run) keeps the checkpoints, the logs and the best validation accuracy. Whether something is due
    depends on the step and MAX_ITERS alone, so a continued run does what an uninterrupted one would have done.
    NotFinite and distribution.WorkerLost name the step, when a checkpoint of the one before is saved.
    """
    train_step = make_train_step(model, optimizer, cfg, strategy)
    test_step = make_test_step(model, cfg, strategy)
    step = step_of(optimizer)

    def due(every):
        return step % every == 0 or step == cfg.MAX_ITERS

    with StopSignals() as stop, tqdm(total=cfg.MAX_ITERS, initial=step, unit=" images", unit_scale=cfg.BATCH_SIZE,
                                     dynamic_ncols=True) as bar:
        while step < cfg.MAX_ITERS and not stop.received:
            learning_rate = float(optimizer.learning_rate)
            images, labels = data.batch(dataset.train, cfg.SEED, step, cfg.BATCH_SIZE, cfg.SHIFT)
            try:
                metrics = train_step(images, labels)
            except (NotFinite, distribution.WorkerLost) as error:  # before the update: all is as after the last step
                run.save(step)
                raise type(error)(f"step {step + 1}: {error}") from None
            step += 1
            bar.set_postfix_str(f"step {step}, loss {metrics['loss']:.4f}, accuracy {metrics['accuracy']:.2f}",
                                refresh=False)
            bar.update()
            if due(cfg.PRINT_EVERY):
                run.record(step, "train", **metrics, learning_rate=learning_rate)
            if due(cfg.VAL_EVERY):
                validated = evaluate(test_step, dataset.val, cfg.BATCH_SIZE, "validation")
                run.record(step, "val", **validated)
                run.images(step, images, model(images[:8], labels[:8]).reconstruction)
                run.save_if_best(step, validated["accuracy"])
            if due(cfg.SAVE_EVERY):
                run.save(step)
        run.save(step)
    return stop.received if step < cfg.MAX_ITERS else None


def test(model, dataset, cfg, run, step, strategy=None):
    """The whole test split with the weights of `step`, the last, and with the best on validation, into results.json."""
    test_step = make_test_step(model, cfg, strategy)
    results = {"last": {"step": step, **evaluate(test_step, dataset.test, cfg.BATCH_SIZE, "test, last")}}
    best = distribution.value_of_chief(run.restore_best(), strategy)
    if best is not None:
        distribution.share(model.variables, strategy)
        results["best"] = {"step": best, **evaluate(test_step, dataset.test, cfg.BATCH_SIZE, "test, best")}
    for name, result in results.items():
        run.say(f"test, {name} checkpoint (step {result['step']}): accuracy {result['accuracy']:.4%}, "
                f"error {1 - result['accuracy']:.4%}, margin {result['margin']:.5f}, "
                f"reconstruction {result['reconstruction']:.3f}")
    run.save_results(results)
