"""The loop over the steps of a training: what is done after each of them, and when."""
from collections.abc import Callable

import numpy as np

from data.dataset import Batch, Dataset, training_batch
from model.network import Network
from output import progress
from settings import InputError
from training import health
from training.average import averaged
from training.devices import Devices, WorkerLost
from training.evaluate import evaluate
from training.optimizer import step_of
from training.signals import StopSignals
from training.step import NotFinite, make_health_step, make_train_step

SHOWN = 8  # images that TensorBoard shows with their reconstructions


def fit(network: Network, optimizer, dataset: Dataset, cfg, run, devices: Devices,
        test_step: Callable) -> int | None:
    """Trains from the optimizer's step to MAX_ITERS, or until the accuracy on validation is
    STOP_AT. -> the signal that stopped it, or None.

    run: a runs.folder.Run, or a Follower. test_step: what step.make_test_step returns, for the
    validation. Raises WorkerLost and NotFinite.

    Whether to record, validate or save depends only on the step and on MAX_ITERS. So a resumed run
    does what an uninterrupted one with the same settings does. There is one exception: a run that
    is resumed at MAX_ITERS takes no step, and does not validate.
    """
    train_step = make_train_step(network, optimizer, cfg, devices)
    health_step = make_health_step(network, cfg, devices)
    step = step_of(optimizer)

    def due(every):
        return step % every == 0 or step == cfg.MAX_ITERS

    def is_reached():
        # The records are asked, so that a resumed run knows it too. Only the chief has them.
        return cfg.STOP_AT > 0 and devices.of_chief(run.reached(cfg.STOP_AT)) is not None

    bar = progress(title="training", total=cfg.MAX_ITERS, initial=step, unit=" images",
                   unit_scale=cfg.BATCH_SIZE)
    reached = is_reached()
    with StopSignals() as stop, bar:
        while step < cfg.MAX_ITERS and not reached and not stop.received:
            learning_rate = float(optimizer.learning_rate)  # that of this step
            batch = training_batch(dataset, cfg.SEED, step, cfg.BATCH_SIZE)

            # Train one step. If it fails, the weights are those of the step before. When a worker
            # is lost, they are saved. When the loss is not finite they are not: they have diverged
            # already, and the run should go on from the last checkpoint.
            try:
                metrics = train_step(batch)
            except NotFinite as error:
                raise NotFinite(f"step {step + 1}: {error}") from None
            except WorkerLost as error:
                run.save(step)
                raise WorkerLost(f"step {step + 1}: {error}") from None
            step += 1
            bar.set_postfix_str(f"step {step}, loss {metrics['loss']:.4f}, "
                                f"accuracy {metrics['accuracy']:.2f}", refresh=False)
            bar.update()

            # keep: metrics, the best network on validation, a checkpoint
            lines = []
            if due(cfg.PRINT_EVERY):
                run.record(step, "train", **metrics, learning_rate=learning_rate)
            if due(cfg.VAL_EVERY):
                lines = validate(network, optimizer, dataset, cfg, run, test_step, health_step)
                reached = is_reached()
                if "decoder" in network.capabilities:
                    run.images(step, *reconstructions(network, batch))
            if due(cfg.SAVE_EVERY):
                run.save(step)

            # show: last, so that all is on disk already if standard output takes no more
            try:
                for line in lines:
                    run.show(line)
            except InputError:
                run.save(step)
                raise
        run.save(step)
    return stop.received


def validate(network: Network, optimizer, dataset: Dataset, cfg, run, test_step: Callable,
             health_step: Callable) -> list[str]:
    """Measures the validation split, and keeps the network if it is the best. -> lines to show

    With EMA there are two networks: the trained weights, and their moving average. The average is
    the one that is kept.
    """
    if not len(dataset.val.labels):
        return []
    step = step_of(optimizer)
    validated = evaluate(test_step, dataset.val, cfg.BATCH_SIZE, "validation")
    lines = [run.record(step, "val", **validated)]
    run.record(step, "health", **health.measure(health_step, dataset.val, cfg.BATCH_SIZE))
    if not cfg.EMA:
        run.save_if_best(step, validated["accuracy"])
    else:
        with averaged(optimizer, network.trainable_variables):
            validated = evaluate(test_step, dataset.val, cfg.BATCH_SIZE, "validation, average")
            lines.append(run.record(step, "val_average", **validated))
            run.save_if_best(step, validated["accuracy"])
    return lines


def reconstructions(network: Network, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """-> the batch's first images [B, H, W, C], and the reconstructions [B, K, H, W, C] of each."""
    images = batch.images[:SHOWN]
    return images, network(images, batch.labels[:SHOWN]).reconstruction.numpy()
