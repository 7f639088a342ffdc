"""A training, from its flags to its results."""
import argparse
import contextlib
import shlex
import sys
from pathlib import Path

import tensorflow as tf

import data
import model
from config import TRAIN, filled_in
from data.dataset import Dataset, training_batch
from output import progress
from runs import claim
from runs.config import RunConfig, load_config
from runs.folder import Follower, Run
from runs.transfer import transfer
from settings import ROOT, Config, InputError
from training.devices import Devices, WorkerLost, devices_of
from training.evaluate import in_words, test, validate
from training.optimizer import make_optimizer
from training.signals import StopSignals
from training.step import NotFinite, Training

SHOWN = 8  # images that TensorBoard shows with their reconstructions


def train(given: dict, args: argparse.Namespace) -> int:
    """Begins a run or resumes one, and trains it to its end. Returns the command's exit status.

    given: settings of config.TRAIN by name; args: the other flags of train.py. InputError, before
    the first step, if something does not fit.
    """
    # settings, images, devices
    began = load_config(args.ckpt) if args.ckpt else None
    if began:
        cfg = began.resumed(args.ckpt, given)
    else:
        name = given.get("DATASET", TRAIN["DATASET"].default)
        cfg = Config(TRAIN, {**filled_in(args.preset, name), **given})
    dataset = data.load(cfg)
    devices = devices_of(args.strategy, args.devices)
    check(cfg, given, dataset, devices)
    config = RunConfig(cfg, dataset.image_shape, dataset.classes, dataset.digest,
                       dataset.class_names, began.init_from if began else None)

    # the run's folder, which the chief alone has
    folder = Path(args.ckpt or args.train_dir or claim.make_folder(cfg.DATASET))
    again = command(folder, args)
    with claim.locked(folder) if devices.is_chief else contextlib.nullcontext() as log:
        if began:
            check_same_images(folder, began, config, dataset.name)
        elif log:
            claim.check_new(folder)
        run = Follower()  # writes nothing; the chief gets a Run
        try:
            # build the network and restore it, alike on all workers; data may have other paths
            tf.keras.utils.set_random_seed(cfg.SEED)
            devices.check_alike({**config.identity(), **cfg, "DATASET": None, "DATA_DIR": None})
            with devices.scope():
                network = model.build(cfg, dataset.image_shape, dataset.classes)
                optimizer = make_optimizer(cfg)
                optimizer.build(network.trainable_variables)
            if log:
                inherited = transfer(args.init_from, network) if args.init_from else None
                if inherited:
                    config = config._replace(init_from=inherited.source)
                run = Run(folder, config, log, network, optimizer)
                if inherited:
                    run.say(inherited.line)
            devices.broadcast([*network.variables, *optimizer.variables])

            # train
            training = Training(cfg, dataset, network, optimizer, devices, run)
            if not len(dataset.val.labels):
                run.say("no image is held out for validation, so no best network is kept")
            stopped = fit(training)
            if stopped:
                run.say(f"stopped by signal {int(stopped)} after step {training.step}; "
                        f"continue with: {again}")
                return 128 + stopped  # as the shell reports a signal

            # test
            ending = why_it_ended(training)
            results = test(training)
            run.save_results({**results, **ending})
            for name, result in results.items():
                run.say(in_words(name, result))
            return 0
        except NotFinite as error:
            run.say(f"training stopped, not finite: {error}. The same steps would end the same, so "
                    f"continue from the last checkpoint with a smaller learning rate: {again} --lr "
                    f"{cfg.LR / 10:g}; if that ends at the same step, begin anew with it")
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


def fit(training: Training) -> int | None:
    """Trains to MAX_ITERS, or until the accuracy on validation is STOP_AT.

    Returns the signal that stopped it, or None. Raises WorkerLost and NotFinite. Whether to record,
    validate or save depends only on the step and on MAX_ITERS. So a resumed run does what an
    uninterrupted one does, except that at MAX_ITERS it does not validate once more.
    """
    cfg, run, step = training.cfg, training.run, training.step

    def due(every):
        return step % every == 0 or step == cfg.MAX_ITERS

    bar = progress(title="training", total=cfg.MAX_ITERS, initial=step, unit=" images",
                   unit_scale=cfg.BATCH_SIZE)
    reached = goal_reached(training)
    with StopSignals() as stop, bar:
        while step < cfg.MAX_ITERS and not reached and not stop.received:
            learning_rate = float(training.optimizer.learning_rate)  # that of this step
            batch = training_batch(training.dataset, cfg.SEED, step, cfg.BATCH_SIZE)

            # Train one step. If it fails, the weights are those of the step before. They are saved
            # when a worker is lost, but not when the loss is not finite: they have diverged, and
            # the run should go on from the last checkpoint.
            try:
                metrics = training.train_step(batch)
            except WorkerLost:
                run.save(step)
                raise
            step += 1
            bar.set_postfix_str(f"step {step}, loss {metrics['loss']:.4f}, "
                                f"accuracy {metrics['accuracy']:.2f}", refresh=False)
            bar.update()

            # keep: metrics, the best network on validation, a checkpoint
            lines = []
            if due(cfg.PRINT_EVERY):
                run.record(step, "train", **metrics, learning_rate=learning_rate)
            if due(cfg.VAL_EVERY):
                lines = validate(training)
                reached = goal_reached(training)
                if "decoder" in training.network.capabilities:
                    images = batch.images[:SHOWN]
                    output = training.network(images, batch.labels[:SHOWN])
                    run.images(step, images, output.reconstruction.numpy())
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


def goal_reached(training: Training) -> dict | None:
    """Returns step and accuracy of the first validation that reached STOP_AT, None if none did."""
    goal = training.cfg.STOP_AT
    return training.devices.of_chief(training.run.reached(goal)) if goal else None


def why_it_ended(training: Training) -> dict:
    """Says why a run with STOP_AT ended. Returns it for results.json, nothing without STOP_AT."""
    cfg, reached = training.cfg, goal_reached(training)
    if not cfg.STOP_AT:
        return {}
    ending = {"step": training.step}
    if reached:
        ending |= {"accuracy_reached": reached["accuracy"], "reached_at_step": reached["step"]}
        why = (f"the accuracy on validation, {reached['accuracy']:.4%} at step {reached['step']}, "
               f"has reached STOP_AT {cfg.STOP_AT}")
    else:
        why = f"MAX_ITERS {cfg.MAX_ITERS} before STOP_AT {cfg.STOP_AT}"
    training.run.say(f"training ended at step {training.step}: {why}")
    return {"stopped": {**ending, "why": why}}


# ---- what is refused, and how to go on ----

def check(cfg, given: dict, dataset: Dataset, devices: Devices):
    """InputError if the settings do not go together, with the images or with the devices."""
    for name in ("COOLDOWN", "WARMUP"):  # defaults may be longer than a short run
        if name in given and cfg[name] > cfg.MAX_ITERS:
            raise InputError(f"--{name.lower()}: expected at most --max_iters, {cfg.MAX_ITERS}, "
                             f"received {cfg[name]}")
    if cfg.LR_FLOOR > cfg.LR:
        raise InputError(f"--lr_floor: expected at most --lr, {cfg.LR}, received {cfg.LR_FLOOR}")
    if devices.replicas > cfg.BATCH_SIZE:
        raise InputError(f"--batch_size: expected {devices.replicas} or more, an image for each "
                         f"replica, received {cfg.BATCH_SIZE}")
    if cfg.STOP_AT and not len(dataset.val.labels):
        raise InputError(f"--stop_at {cfg.STOP_AT}: expected images that are held out for "
                         "validation, received none; give --validation or leave --stop_at out")


def check_same_images(folder: Path, began: RunConfig, now: RunConfig, name: str):
    """InputError unless the images of `now`, called `name`, are those that the run began with."""
    def in_numbers(run):
        return f"[H, W, C] {run.image_shape}, {run.classes} classes, SHA-256 {run.data:.8}"

    if (now.image_shape, now.classes, now.data) != (began.image_shape, began.classes, began.data):
        raise InputError(f"{folder} is a run on images of {in_numbers(began)}; "
                         f"{name} now has {in_numbers(now)}")


def command(folder: Path, args: argparse.Namespace) -> str:
    """Returns the command that resumes the run."""
    words = [sys.executable, str(ROOT / "code" / "train.py"), "--ckpt", str(folder)]
    if args.strategy != "none":
        words += ["--strategy", args.strategy]
    if args.devices:
        words += ["--devices", str(args.devices)]
    return shlex.join(words)


def if_begun(folder: Path, way: str) -> str:
    """Returns the end of a line: the way to resume, if there is something to resume."""
    return f"; {way}" if (folder / "config.json").exists() else "; nothing was trained yet"
