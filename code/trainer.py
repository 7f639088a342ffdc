"""Training and evaluation of a CapsNet: one step, one pass over a split, and the loop around them."""
import math
import signal

import numpy as np
import tensorflow as tf
from tqdm import tqdm

import checkpoints
import data
from losses import losses


class NotFinite(ArithmeticError):
    """The loss or the gradient of a step is no longer a number. Neither the weights nor a checkpoint are touched."""


def make_optimizer(cfg):
    """Adam with the paper's (TensorFlow's first) constants; the learning rate falls by steps, as in the original."""
    schedule = tf.keras.optimizers.schedules.ExponentialDecay(cfg.LR, cfg.STEP_SIZE, cfg.DECAY_RATIO, staircase=True)
    return tf.keras.optimizers.Adam(schedule, epsilon=1e-8)


def compiled(function, cfg):
    """`function` as one tf.function, compiled by XLA as JIT and CONV_WAY say."""
    slow_in_xla = cfg.CONV_WAY == "direct" and not tf.config.list_physical_devices("GPU")
    return tf.function(function, jit_compile=cfg.JIT == "on" or (cfg.JIT == "auto" and not slow_in_xla))


def make_train_step(model, optimizer, cfg):
    """-> a function of images [B, H, W, C] in [0, 1] and labels [B] that trains one step and returns its metrics.

    It raises NotFinite before anything is changed.
    """

    def differentiate(images, labels):
        with tf.GradientTape() as tape:
            output = model(images, labels)
            total, margin, reconstruction = losses(output, images, labels, cfg)
            loss = tf.reduce_mean(total)
        gradients = tape.gradient(loss, model.trainable_variables)
        metrics = {"loss": loss, "margin": tf.reduce_mean(margin), "reconstruction": tf.reduce_mean(reconstruction),
                   "accuracy": tf.reduce_mean(tf.cast(_correct(output, labels), tf.float32)),
                   "gradient_norm": tf.linalg.global_norm(gradients)}
        return gradients, metrics

    def update(gradients):
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    differentiate, update = compiled(differentiate, cfg), compiled(update, cfg)

    def train_step(images, labels):
        gradients, metrics = differentiate(images, labels)
        metrics = {name: float(value) for name, value in metrics.items()}
        if not np.isfinite([metrics["loss"], metrics["gradient_norm"]]).all():
            raise NotFinite(f"loss {metrics['loss']}, gradient norm {metrics['gradient_norm']}")
        update(gradients)
        return metrics

    return train_step


def make_test_step(model, cfg):
    """-> a function of images and labels that returns the sums of the metrics over the batch, as `evaluate` needs.

    The reconstruction is judged as it would be made with no label at hand: from the longest capsule.
    """

    def test_step(images, labels):
        output = model(images)
        total, margin, reconstruction = losses(output, images, labels, cfg)
        correct = tf.cast(_correct(output, labels), tf.float32)
        sums = {"loss": total, "margin": margin, "reconstruction": reconstruction, "accuracy": correct}
        return {name: tf.reduce_sum(value) for name, value in sums.items()}

    return compiled(test_step, cfg)


def _correct(output, labels):
    return tf.equal(tf.argmax(output.lengths, axis=-1, output_type=labels.dtype), labels)


def evaluate(test_step, split, batch_size, progress=None):
    """-> mean loss, margin, reconstruction and accuracy over the whole split, every image once. `progress`: a title."""
    sums = {}
    batches = data.batches(split, batch_size)
    total = math.ceil(len(split.labels) / batch_size)
    for images, labels in tqdm(batches, progress, total, leave=False, disable=progress is None):
        for name, value in test_step(images, labels).items():
            sums[name] = sums.get(name, 0.0) + float(value)
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
        self.received, self.interrupted = number, self.interrupted or number == signal.SIGINT

    def __exit__(self, *exception):
        for number, handler in self.before.items():
            signal.signal(number, handler)


def fit(model, optimizer, dataset, cfg, run):
    """Trains from the optimizer's step to MAX_ITERS. -> the signal that ended it early, or None.

    `run` (rundir.Run) keeps the checkpoints, the logs and the best validation accuracy. Whether something is due
    depends on the step alone, so a continued run does what an uninterrupted one would have done. NotFinite names the
    step, when a checkpoint of the one before is saved.
    """
    train_step, test_step = make_train_step(model, optimizer, cfg), make_test_step(model, cfg)
    step = int(optimizer.iterations)

    def due(every):
        return step % every == 0 or step == cfg.MAX_ITERS

    with StopSignals() as stop, tqdm(total=cfg.MAX_ITERS, initial=step, unit=" images", unit_scale=cfg.BATCH_SIZE,
                                     dynamic_ncols=True) as bar:
        while step < cfg.MAX_ITERS and not stop.received:
            learning_rate = float(optimizer.learning_rate)
            images, labels = data.batch(dataset.train, cfg.SEED, step, cfg.BATCH_SIZE, cfg.SHIFT)
            try:
                metrics = train_step(images, labels)
            except NotFinite as error:
                run.save(step)
                raise NotFinite(f"step {step + 1}: {error}") from None
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
                if validated["accuracy"] > float(run.best):
                    run.save_best(step, validated["accuracy"])
            if due(cfg.SAVE_EVERY):
                run.save(step)
        run.save(step)
    return stop.received if step < cfg.MAX_ITERS else None


def test(model, dataset, cfg, run, step):
    """The whole test split with the weights of `step`, the last, and with the best on validation, into results.json."""
    test_step = make_test_step(model, cfg)
    results = {"last": {"step": step, **evaluate(test_step, dataset.test, cfg.BATCH_SIZE, "test, last")}}
    best = checkpoints.steps(run.folder, "best")[-1]
    try:
        checkpoints.read(run.folder / f"best-{best}", run.identity, model=model)
        results["best"] = {"step": best, **evaluate(test_step, dataset.test, cfg.BATCH_SIZE, "test, best")}
    except checkpoints.Damaged as error:
        run.say(f"{error}: not tested")
    for name, result in results.items():
        run.say(f"test, {name} checkpoint (step {result['step']}): accuracy {result['accuracy']:.4%}, "
                f"error {1 - result['accuracy']:.4%}, margin {result['margin']:.5f}, "
                f"reconstruction {result['reconstruction']:.3f}")
    run.save_results(results)
