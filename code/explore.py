"""Writes a page in which one draws and looks inside a network. `python explore.py --help`."""
import cli
import config
from settings import ROOT


def main() -> int:
    parser = cli.Parser(
        description="Write one HTML file that has a trained network inside: draw, see the lengths "
                    "of its capsules, step through the routing, move the dimensions. Of a network "
                    "without capsules it shows the probabilities. It needs no server and no "
                    "internet access to be opened.",
        epilog="example: python explore.py --ckpt output/RUN --out output/run.html")
    # the network and its images, as in eval.py, but one network alone
    settings = {name: config.EVAL[name] for name in ("CKPT", "DATASET", "DATA_DIR")}
    settings["CKPT"] = settings["CKPT"]._replace(
        help="the network: a run's folder, a folder of checkpoints or a checkpoint's prefix")
    parser.add_settings("settings", settings)
    parser.add_settings("settings of a dataset; not given: as in training", config.OF_DATASETS)
    # the page
    parser.add_argument("--out", type=cli.path, default=str(ROOT / "output" / "explore.html"),
                        metavar="FILE", help="the page (default %(default)s)")
    parser.add_argument("--effects", type=cli.path, metavar="FILE",
                        help="what each dimension does: a results.json of eval.py --mode cap_tweak "
                             "(default: that in figs/cap_tweak, if it is of these weights)")
    given, args = parser.parse({**settings, **config.OF_DATASETS})

    cli.start_tensorflow()
    from page.explore import explore
    explore({"CKPT": config.EVAL["CKPT"].default, **given}, args.out, args.effects)
    return 0


if __name__ == "__main__":
    cli.run(main)
