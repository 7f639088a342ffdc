"""Writes a trained network in half the bytes. `python release.py --help` says how."""
import cli


def main() -> int:
    parser = cli.Parser(
        description="Write a trained network to a folder of its own, to keep or to pass on: its "
                    "weights as float16, its settings and its history. eval.py evaluates it in "
                    "float32. It cannot be trained on.",
        epilog="example: python release.py --ckpt output/RUN/average-10000 --to checkpoints/mine")
    files = parser.add_argument_group("files")
    files.add_argument("--ckpt", type=cli.path, metavar="PATH", required=True,
                       help="the network: a run's folder, or a checkpoint's prefix")
    files.add_argument("--to", type=cli.path, metavar="DIR", required=True,
                       help="a new folder, or one that has nothing except *.md")
    _, args = parser.parse({})

    cli.start_tensorflow()
    from runs.release import release
    return release(args.ckpt, args.to)


if __name__ == "__main__":
    cli.run(main)
