"""Writes a trained network for other programs. `python export.py --help` lists the flags."""
import cli
import config
import registry


def main() -> int:
    parser = cli.Parser(
        description="Write a trained network as a file for other programs, and check that its "
                    "numbers are the network's. The names of the classes stand in a "
                    "labels.txt, in the order of the scores.",
        epilog="example: python export.py --format onnx --out output/capsnet.onnx")
    parser.add_argument("--format", choices=registry.names("serving.exports"), required=True,
                        help="saved_model: a folder for TensorFlow and TensorFlow Serving; tflite: "
                             "a file for phones; onnx: a file for onnxruntime and others")
    parser.add_argument("--ckpt", type=cli.path, metavar="DIR", default=config.EVAL["CKPT"].default,
                        help="the network: a run's folder, a folder of checkpoints or a "
                             "checkpoint's prefix (default: the released one)")
    parser.add_argument("--out", type=cli.path, metavar="PATH",
                        help="where to write it, in a new place (default output/NAME)")
    _, args = parser.parse({})

    cli.start_tensorflow()
    from serving.export import export
    return export(args.ckpt, args.format, args.out)


if __name__ == "__main__":
    cli.run(main)
