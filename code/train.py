"""Trains a CapsNet. `python train.py --help` lists every setting with its source in the paper."""
import os
import shlex
import sys
from datetime import datetime
from pathlib import Path

import config
import data


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
    parser.add_settings("training", config.TRAINING)
    parser.add_settings("data", config.DATA)
    parser.add_settings("losses", config.LOSS)
    parser.add_settings("network", config.MODEL)
    given, args = parser.parse(config.TRAIN)
    if args.ckpt and args.train_dir:
        parser.error("--ckpt continues a run in its own folder; leave --train_dir out")

    config.set_environment()
    if args.ckpt:
        from rundir import settings_to_continue
        cfg = settings_to_continue(args.ckpt, given)
    else:
        cfg = config.Config(config.TRAIN, given)
    dataset = data.load(cfg.DATASET, cfg.DATA_DIR, cfg.SEED)

    import rundir  # and with it TensorFlow, which takes seconds and is not quiet: after what may be refused
    folder = args.ckpt or args.train_dir or default_folder(cfg)
    with rundir.locked(folder) as log:
        if args.ckpt:
            rundir.resume(folder, cfg, dataset)
        else:
            rundir.create(folder, cfg, dataset)
        return train(folder, cfg, dataset, log)


def train(folder, cfg, dataset, log):
    """Trains the run in `folder` to its end, or until a signal stops it. -> exit status"""
    import tensorflow as tf

    import trainer
    from capsnet import CapsNet
    from rundir import Run

    tf.keras.utils.set_random_seed(cfg.SEED)
    model = CapsNet(cfg, dataset.image_shape, dataset.classes)
    optimizer = trainer.make_optimizer(cfg)
    run = Run(folder, cfg, log, model, optimizer)
    again = shlex.join([sys.executable, os.path.abspath(__file__), "--ckpt", str(folder)])
    try:
        stopped = trainer.fit(model, optimizer, dataset, cfg, run)
        if stopped:
            run.say(f"stopped by signal {int(stopped)} after step {int(optimizer.iterations)}; continue with: {again}")
            return 128 + stopped
        trainer.test(model, dataset, cfg, run, int(optimizer.iterations))
    except trainer.NotFinite as error:
        run.say(f"training stopped, not finite: {error}. The step before is saved; the same step would end the same, "
                f"so continue with a smaller learning rate: {again} --lr {cfg.LR / 10:g}")
        return 1
    except KeyboardInterrupt:
        run.say(f"stopped at once; continue from the last checkpoint with: {again}")
        return 130
    finally:
        run.close()
    return 0


def default_folder(cfg):
    name = Path(cfg.DATASET).stem
    return config.ROOT / "output" / f"{name}-{datetime.now():%Y-%m-%d_%H%M%S}"


if __name__ == "__main__":
    config.run(main)
