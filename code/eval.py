"""Measures a trained network. `python eval.py --help` lists every setting."""
import cli
import config


def main() -> int:
    parser = cli.Parser(
        description="Measure a trained network. Each mode has a folder for its numbers, in "
                    "results.json, and its figures.",
        epilog="example: python eval.py --mode cap_tweak --ckpt output/RUN --tweak_target 3")
    parser.add_settings("settings", config.EVAL)
    parser.add_settings("settings of a mode", config.OF_MODES)
    parser.add_settings("settings of a dataset; not given: as in training", config.OF_DATASETS)
    given, _ = parser.parse(config.EVAL_ALL)

    cli.start_tensorflow()
    from evaluation.evaluate import evaluate
    return evaluate(given)


if __name__ == "__main__":
    cli.run(main)
