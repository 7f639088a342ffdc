"""Trains a network. `python train.py --help` lists every setting with its source in the paper."""
import cli
import config
import registry


def main() -> int:
    parser = cli.Parser(
        description="Train a network. Everything of a run goes to one folder: its settings, log, "
                    "metrics, TensorBoard files, checkpoints and, at the end, the results on the "
                    "test split.",
        epilog="example: python train.py --dataset glyphs --max_iters 200")
    # the run itself, and then every setting of the tables
    run = parser.add_argument_group("run")
    run.add_argument("--train_dir", type=cli.path, metavar="DIR",
                     help="folder of a new run (default output/DATASET-DATE_TIME)")
    run.add_argument("--ckpt", type=cli.path, metavar="DIR",
                     help="folder of a run to continue from its newest checkpoint, with its own "
                          "settings")
    run.add_argument("--init_from", type=cli.path, metavar="PATH",
                     help="begin with the weights of a trained network, a run's folder or a "
                          "checkpoint's prefix: every layer of the same name and shape is taken, "
                          "also where images or classes are others")
    run.add_argument("--strategy", choices=("none", "mirrored", "multi_worker"), default="none",
                     help="devices to train on: one, all GPUs of this machine, or those of all "
                          "workers in TF_CONFIG (default none)")
    run.add_argument("--devices", type=int, default=0, metavar="N",
                     help="mirrored: N logical CPU devices in place of GPUs, to try it out")
    run.add_argument("--preset", choices=config.PRESETS, default="original",
                     help="original: the defaults below; official: batch, learning rate and decay "
                          "of the authors' code, where no flag says otherwise (default original)")
    parser.add_settings("training", config.TRAINING)
    parser.add_settings("data", config.DATA)
    parser.add_settings("losses", config.LOSS)
    parser.add_settings("network", config.MODEL)
    given, args = parser.parse(config.TRAIN)

    # flags that do not go together
    for name in ("preset", "train_dir", "init_from"):
        if args.ckpt and getattr(args, name) != parser.get_default(name):
            parser.error(f"--{name}: --ckpt continues a run with what it has; leave the flag out")
    if args.strategy == "multi_worker" and not (args.ckpt or args.train_dir):
        parser.error("--strategy multi_worker: expected the run's folder, by --train_dir or "
                     "--ckpt, the same for all workers")
    if args.devices < 0 or (args.devices and args.strategy != "mirrored"):
        parser.error("--devices: expected 1 or more, with --strategy mirrored, received "
                     f"{args.devices} and {args.strategy}")
    if not args.ckpt:
        network = given.get("MODEL", config.cfg.MODEL)
        registry.check_owned(given, "model.networks", "--model", network)
        routing = given.get("ROUTING", config.cfg.ROUTING)
        registry.check_owned(given, "model.routings", "--routing", routing)

    cli.start_tensorflow()
    from training.session import train
    return train(given, args)


if __name__ == "__main__":
    cli.run(main)
