"""Trains a CapsNet. `python train.py --help` lists every setting with its source in the paper."""
import os
import shlex
import sys
from datetime import datetime
from pathlib import Path

import config
import data
import runconfig


def main():
    parser = config.Parser(
        description="Train a CapsNet. Everything of a run goes to one folder: its settings, log, metrics, TensorBoard "
                    "files, checkpoints and, at the end, the results on the test split.",
        epilog="example: python train.py --dataset glyphs --max_iters 200")
    run = parser.add_argument_group("run")
    run.add_argument("--train_dir", type=os.path.abspath, metavar="DIR",
                     help="folder of a new run (default output/DATASET-DATE_TIME)")
    run.add_argument("--ckpt", type=os.path.abspath, metavar="DIR",
                     help="folder of a run to continue from its newest checkpoint, with its own settings")
    run.add_argument("--strategy", choices=("none", "mirrored", "multi_worker"), default="none",
                     help="devices to train on: one, all GPUs of this machine, or those of all workers in TF_CONFIG "
                          "(default none)")
    run.add_argument("--devices", type=int, default=0, metavar="N",
                     help="mirrored: N logical CPU devices in place of GPUs, to try it out")
    parser.add_settings("training", config.TRAINING)
    parser.add_settings("data", config.DATA)
    parser.add_settings("losses", config.LOSS)
    parser.add_settings("network", config.MODEL)
    given, args = parser.parse(config.TRAIN)
    if args.ckpt and args.train_dir:
        parser.error("--ckpt continues a run in its own folder; leave --train_dir out")
    if args.strategy == "multi_worker" and not (args.ckpt or args.train_dir):
        parser.error("--strategy multi_worker: expected the run's folder, by --train_dir or --ckpt, the same for all "
                     "workers")
    if args.devices < 0 or (args.devices and args.strategy != "mirrored"):
        parser.error(f"--devices: expected 1 or more, with --strategy mirrored, received {args.devices} and "
                     f"{args.strategy}")

    config.set_environment()
    cfg = runconfig.settings_to_continue(args.ckpt, given) if args.ckpt else config.Config(config.TRAIN, given)
    dataset = data.load(cfg.DATASET, cfg.DATA_DIR, cfg.SEED)
    data.batch(dataset.train, cfg.SEED, 0, cfg.BATCH_SIZE, cfg.SHIFT)  # may be refused: before there is a folder

    import distribution  # and with it TensorFlow, which takes seconds and is not quiet: after what may be refused
    import rundir
    strategy = distribution.strategy_of(args.strategy, args.devices)
    if distribution.replicas(strategy) > cfg.BATCH_SIZE:
        raise config.InputError(f"--batch_size: expected {distribution.replicas(strategy)} or more, an image for each "
                                f"replica, received {cfg.BATCH_SIZE}")
    run_config = runconfig.RunConfig(cfg, dataset.image_shape, dataset.classes, dataset.digest)
    folder = args.ckpt or args.train_dir or default_folder(cfg)
    flags = ["--strategy", args.strategy, *(["--devices", str(args.devices)] if args.devices else [])]
    again = [sys.executable, os.path.abspath(__file__), "--ckpt", str(folder), *(flags if strategy else [])]
    if not distribution.is_chief(strategy):
        return train(folder, run_config, dataset, shlex.join(again), strategy)
    with rundir.locked(folder) as log:
        if args.ckpt:
            rundir.check_same_images(folder, run_config, dataset.name)
        else:
            rundir.check_new(folder)
        return train(folder, run_config, dataset, shlex.join(again), strategy, log)


def train(folder, run_config, dataset, again, strategy=None, log=None):
    """Trains the run in `folder` to its end, or until something stops it. -> exit status

    run_config: its RunConfig; again: the command that continues it; log: of rundir.locked, if this is the chief.
    """
    import tensorflow as tf

    import distribution
    import trainer
    from capsnet import CapsNet
    from rundir import Follower, Run

    cfg, run = run_config.settings, Follower()
    tf.keras.utils.set_random_seed(cfg.SEED)
    try:
        distribution.check_alike({**run_config.identity(), **cfg, "DATASET": None, "DATA_DIR": None}, strategy)
        with distribution.scope(strategy):
            model = CapsNet(cfg, dataset.image_shape, dataset.classes)
            optimizer = trainer.make_optimizer(cfg)
            optimizer.build(model.trainable_variables)
        if log:
            run = Run(folder, run_config, log, model, optimizer)
        distribution.share([*model.variables, *optimizer.variables], strategy)
        stopped = trainer.fit(model, optimizer, dataset, cfg, run, strategy)
        step = trainer.step_of(optimizer)
        if stopped:
            run.say(f"stopped by signal {int(stopped)} after step {step}; continue with: {again}")
            return 128 + stopped
        trainer.test(model, dataset, cfg, run, step, strategy)
    except trainer.NotFinite as error:
        run.say(f"training stopped, not finite: {error}. The step before is saved; the same step would end the same, "
                f"so continue with a smaller learning rate: {again} --lr {cfg.LR / 10:g}")
        return 1
    except distribution.WorkerLost as error:
        run.say(f"training stopped, a worker was lost: {error}" + how_to_continue(
            folder, f"continue on any number of workers with: {again}, or on one without --strategy"))
        return 1
    except KeyboardInterrupt:
        run.say("stopped at once" + how_to_continue(folder, f"continue from the last checkpoint with: {again}"))
        return 130
    finally:
        run.close()
    return 0


def how_to_continue(folder, way):
    return f"; {way}" if (Path(folder) / "config.json").exists() else "; nothing was trained yet"


def default_folder(cfg):
    name = Path(cfg.DATASET).stem
    return config.ROOT / "output" / f"{name}-{datetime.now():%Y-%m-%d_%H%M%S}"


if __name__ == "__main__":
    config.run(main)
