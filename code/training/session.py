"""One process's part of a run: network and optimizer, training, test, and how it may end."""
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import tensorflow as tf

import model
from data.dataset import Dataset
from model.network import Network
from runs.config import RunConfig
from runs.folder import Follower, Run
from settings import InputError
from training.average import averaged
from training.devices import Devices, WorkerLost
from training.evaluate import evaluate
from training.loop import fit
from training.optimizer import make_optimizer, step_of
from training.step import NotFinite, make_test_step


def train(folder: Path, config: RunConfig, dataset: Dataset, again: str, devices: Devices,
          log: TextIO | None = None) -> int:
    """Trains the run in `folder` to its end, or until something stops it. -> exit status

    again: the command that resumes it; log: the open log.txt of claim.locked, which the chief has
    alone
    """
    cfg = config.settings
    run = Follower()  # writes nothing; the chief gets a Run
    tf.keras.utils.set_random_seed(cfg.SEED)
    try:
        # build the network and restore it, alike on all workers; the paths of the data may differ
        devices.check_alike({**config.identity(), **cfg, "DATASET": None, "DATA_DIR": None})
        with devices.scope():
            network = model.build(cfg, dataset.image_shape, dataset.classes)
            optimizer = make_optimizer(cfg)
            optimizer.build(network.trainable_variables)
        if log:
            run = Run(folder, config, log, network, optimizer)
        devices.broadcast([*network.variables, *optimizer.variables])

        # train
        if not len(dataset.val.labels):
            run.say("no image is held out for validation, so no best network is kept")
        test_step = make_test_step(network, cfg, devices)  # for validation and test
        stopped = fit(network, optimizer, dataset, cfg, run, devices, test_step)
        step = step_of(optimizer)
        if stopped:
            run.say(f"stopped by signal {int(stopped)} after step {step}; continue with: {again}")
            return 128 + stopped  # as the shell reports a signal

        # why it ended
        ending = {}
        if cfg.STOP_AT:
            ending = {"stopped": ended_by(devices.of_chief(run.reached(cfg.STOP_AT)), step, cfg)}
            run.say(f"training ended at step {step}: {ending['stopped']['why']}")

        # test
        results = test(network, optimizer, dataset, cfg, run, devices, test_step)
        run.save_results({**results, **ending})
        for name, result in results.items():
            run.say(in_words(name, result))
        return 0
    except NotFinite as error:
        run.say(f"training stopped, not finite: {error}. The same steps would end the same, so "
                "continue from the last checkpoint with a smaller learning rate: "
                f"{again} --lr {cfg.LR / 10:g}; if that ends at the same step, begin anew with it")
        return 1
    except WorkerLost as error:
        way = f"continue on any number of workers with: {again}, or on one without --strategy"
        run.say(f"training stopped, a worker was lost: {error}" + if_begun(folder, way))
        return 1
    except KeyboardInterrupt:
        way = f"continue from the last checkpoint with: {again}"
        run.say("stopped at once" + if_begun(folder, way))
        return 130
    finally:
        run.close()


def test(network: Network, optimizer, dataset: Dataset, cfg, run: Run | Follower,
         devices: Devices, test_step: Callable) -> dict[str, dict]:
    """-> the metrics of the whole test split with the last weights, and with the best.

    With EMA, also with the moving average of the weights, which is saved as average-STEP. The best
    weights are those of the best validation; with EMA they are an average.
    """
    step = step_of(optimizer)
    last = evaluate(test_step, dataset.test, cfg.BATCH_SIZE, "test, last")
    results = {"last": {"step": step, **last}}
    if cfg.EMA:
        with averaged(optimizer, network.trainable_variables):
            average = evaluate(test_step, dataset.test, cfg.BATCH_SIZE, "test, average")
            run.save_average(step)
        results["average"] = {"step": step, **average}
    best_step = devices.of_chief(run.restore_best())
    if best_step == step:  # they have just been measured
        results["best"] = results["average" if cfg.EMA else "last"]
    elif best_step is not None:
        devices.broadcast(network.variables)
        best = evaluate(test_step, dataset.test, cfg.BATCH_SIZE, "test, best")
        results["best"] = {"step": best_step, **best}
    return results


def ended_by(reached: dict | None, step: int, cfg) -> dict:
    """-> why a run with STOP_AT ended, for results.json. reached: see runs.folder.Run.reached"""
    if reached is None:
        return {"step": step, "why": f"MAX_ITERS {cfg.MAX_ITERS} before STOP_AT {cfg.STOP_AT}"}
    why = (f"the accuracy on validation, {reached['accuracy']:.4%} at step {reached['step']}, has "
           f"reached STOP_AT {cfg.STOP_AT}")
    return {"step": step, "accuracy_reached": reached["accuracy"],
            "reached_at_step": reached["step"], "why": why}


def in_words(name: str, result: dict) -> str:
    """-> the line about a result: its accuracy and error rate first, then the network's terms."""
    terms = {key: value for key, value in result.items() if key not in ("step", "loss", "accuracy")}
    words = [f"{key} {value:.5g}" for key, value in terms.items()]
    accuracy = result["accuracy"]
    return (f"test, {name} checkpoint (step {result['step']}): "
            + ", ".join([f"accuracy {accuracy:.4%}", f"error rate {1 - accuracy:.4%}", *words]))


def if_begun(folder: Path, way: str) -> str:
    """-> the end of a message: the way to resume, if there is something to resume."""
    return f"; {way}" if (folder / "config.json").exists() else "; nothing was trained yet"


def check_batch(cfg, devices: Devices):
    """InputError if a batch has fewer images than there are replicas."""
    if devices.replicas > cfg.BATCH_SIZE:
        raise InputError(f"--batch_size: expected {devices.replicas} or more, an image for each "
                         f"replica, received {cfg.BATCH_SIZE}")


def check_validation(cfg, dataset: Dataset):
    """InputError if training is to stop by an accuracy on validation that nothing measures."""
    if cfg.STOP_AT and not len(dataset.val.labels):
        raise InputError(f"--stop_at {cfg.STOP_AT}: expected images that are held out for "
                         "validation, received none; give --validation or leave --stop_at out")


def check_same_images(folder: Path, began: RunConfig, now: RunConfig, name: str):
    """InputError unless the images of `now`, called `name`, are those that the run began with."""
    if (now.image_shape, now.classes, now.data) != (began.image_shape, began.classes, began.data):
        raise InputError(f"{folder} is a run on images of {in_numbers(began)}; "
                         f"{name} now has {in_numbers(now)}")


def in_numbers(run: RunConfig) -> str:
    return f"[H, W, C] {run.image_shape}, {run.classes} classes, SHA-256 {run.data:.8}"
