"""Says what a trained network sees in your images. `python predict.py --help` lists the flags."""
import cli
import config


def main() -> int:
    parser = cli.Parser(
        description="Say which class a trained network sees in each image. Pictures of digits may "
                    "have any size and colour, dark on light or light on dark.",
        epilog="example: python predict.py four.png scans/ --figure output/answers.png")
    # what to look at
    parser.add_argument("images", nargs="+", metavar="IMAGE",
                        help="an image file, a folder of them with its subfolders, or an .npy of "
                             "images as the network takes them")
    parser.add_argument("--ckpt", type=cli.path, metavar="DIR", default=config.EVAL["CKPT"].default,
                        help="the network: a run's folder, a folder of checkpoints or a "
                             "checkpoint's prefix (default: the released one)")
    parser.add_argument("--as_is", action="store_true",
                        help="take pictures as they are, fitted whole, instead of in the form of "
                             "MNIST's digits: bright on black, cropped and centred")
    # how to answer
    parser.add_argument("--json", action="store_true",
                        help="print one JSON object for each image instead of a table")
    parser.add_argument("--figure", type=cli.path, metavar="FILE",
                        help="write a .png with the images and their reconstructions")
    _, args = parser.parse({})

    cli.start_tensorflow()
    from serving.predict import predict
    return predict(args.images, args.ckpt, args.as_is, args.json, args.figure)


if __name__ == "__main__":
    cli.run(main)
