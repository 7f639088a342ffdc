"""The loop over the steps of a training: what is done after each of them, and when."""
from collections.abc import Callable

import numpy as np

from data.dataset import Batch, Dataset, training_batch
from model.network import Network
from output import progress
from settings import InputError
from training.average import averaged
from training.devices import Devices, WorkerLost
from training.evaluate import evaluate
from training.optimizer import step_of
from training.signals import StopSignals
from training.step import NotFinite, make_train_step

SHOWN = 8  # images that TensorBoard shows with their reconstructions


def fit(network: Network, optimizer, dataset: Dataset, cfg, run, devices: Devices,
        test_step: Callable) -> int | None:
    """Trains from the optimizer's step to MAX_ITERS, or until the accuracy on validation is
    STOP_AT. -> the signal that arrived meanwhile and ended it, or None.

    run: a run_folder.Run, or a Follower. test_step: of step.make_test_step, for the validation.
    Whether something is due depends on the step and on MAX_ITERS alone, so a resumed run does what
    an uninterrupted one would have done with the same settings. (But a run that is resumed where it
    is to end takes no step, so that one is not validated.) Raises WorkerLost and NotFinite of a
    step.
    """
    train_step = make_train_step(network, optimizer, cfg, devices)
    step = step_of(optimizer)

    def due(every):
        return step % every == 0 or step == cfg.MAX_ITERS

    def is_reached():
        return cfg.STOP_AT > 0 and devices.of_chief(run.reached(cfg.STOP_AT)) is not None

    bar = progress(title="training", total=cfg.MAX_ITERS, initial=step, unit=" images",
                   unit_scale=cfg.BATCH_SIZE)
    reached = is_reached()
    with StopSignals() as stop, bar:
        while step < cfg.MAX_ITERS and not reached and not stop.received:
            learning_rate = float(optimizer.learning_rate)
            batch = training_batch(dataset, cfg.SEED, step, cfg.BATCH_SIZE)

            # train one step; a failing one changes nothing. When a worker is lost, the step before
            # is saved. When the loss is not finite it is not: its weights have diverged, so the run
            # had better go on from the last checkpoint.
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
                lines = validate(network, optimizer, dataset, cfg, run, test_step)
                reached = is_reached()
                if "decoder" in network.capabilities:
                    run.images(step, *reconstructions(network, batch))
            if due(cfg.SAVE_EVERY):
                run.save(step)

            # show: last, so that all is on disk if standard output takes no more
            try:
                for line in lines:
                    run.show(line)
            except InputError:
                run.save(step)
                raise
        run.save(step)
    return stop.received


def validate(network: Network, optimizer, dataset: Dataset, cfg, run,
             test_step: Callable) -> list[str]:
    """Measures the validation split, and keeps the network if it is the best. -> lines to show

    With EMA there are two networks: the trained weights, and their moving average. The average is
    the one that is kept.
    """
    if not len(dataset.val.labels):
        return []
    step = step_of(optimizer)
    validated = evaluate(test_step, dataset.val, cfg.BATCH_SIZE, "validation")
    lines = [run.record(step, "val", **validated)]
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
