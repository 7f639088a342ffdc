"""Measures a trained CapsNet: numbers, and figures to look at. `python eval.py --help` lists every setting."""
import contextlib
import json
import re
from pathlib import Path

import numpy as np

import config
import data
import figures
from config import InputError

MOST_STRIDES = 50  # from 0 to the largest value that is added to a dimension


def main():
    parser = config.Parser(
        description="Measure a trained CapsNet. test: accuracy and losses; reconstruct: what the decoder makes of the "
                    "capsules, right and wrong; cap_tweak: what each dimension of a capsule does; adversarial: how "
                    "little it takes to fool the network, and how often its reconstruction gives that away.",
        epilog="example: python eval.py --mode cap_tweak --ckpt output/RUN --tweak_target 3")
    parser.add_settings("settings", config.EVAL)
    given, _ = parser.parse(config.EVAL)
    cfg = config.Config(config.EVAL, given)
    check_tweak(cfg)

    config.set_environment()  # from here on, what imports TensorFlow
    import checkpoints
    import modes
    model, trained, prefix = checkpoints.load(cfg.CKPT)
    for name in {"DATASET", "DATA_DIR"} - given.keys():
        cfg[name] = trained[name]
    dataset = data.load(cfg.DATASET, cfg.DATA_DIR, trained.SEED)  # its seed, so that no test image was trained on
    network = model.decoder.image_shape, model.digit_caps.classes
    if network != (dataset.image_shape, dataset.classes):
        raise InputError("{}: expected a network for images of [H, W, C] {} and {} classes, as {} has, received one "
                         "for {} and {}".format(prefix, dataset.image_shape, dataset.classes, dataset.name, *network))
    if cfg.TWEAK_TARGET not in range(-1, dataset.classes):
        raise InputError(f"--tweak_target: expected a class from 0 to {dataset.classes - 1}, or -1 for every class, "
                         f"received {cfg.TWEAK_TARGET}")

    report = Report(cfg)
    numbers, details = getattr(modes, cfg.MODE)(model, trained, dataset, cfg, report.draw)
    what = {"checkpoint": f"{prefix.parent.name}/{prefix.name}", "trained_on": Path(trained.DATASET).stem,
            "evaluated_on": dataset.name}
    report.close(what, numbers, details)
    return 0


def check_tweak(cfg):
    """InputError unless the range is a whole number of strides, from 1 to MOST_STRIDES of them."""
    strides = cfg.TWEAK_RANGE / cfg.TWEAK_STRIDE
    if not (0.5 < strides < MOST_STRIDES + 0.5 and abs(strides - round(strides)) < 1e-6):
        raise InputError(f"--tweak_range, --tweak_stride: expected a range of 1 to {MOST_STRIDES} whole strides, "
                         f"received {cfg.TWEAK_RANGE} and {cfg.TWEAK_STRIDE}")


class Report:
    """The folder of one evaluation: its figures and results.json. InputError if it cannot be written."""

    def __init__(self, cfg):
        self.cfg, self.figures = cfg, []
        self.folder = Path(cfg.FIG_DIR) / cfg.MODE
        if cfg.MODE == "adversarial":
            self.folder /= f"{cfg.ATTACK}-{'targeted' if cfg.TARGETED else 'untargeted'}"
        with self.writing():
            self.folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def writing(self):
        try:
            yield
        except OSError as error:
            raise InputError(f"--fig_dir: expected a folder to write in, received {self.folder} "
                             f"({error.strerror})") from None

    def draw(self, name, figure):
        """Writes name.png."""
        with self.writing():
            config.write_whole(self.folder / f"{name}.png", figures.png(figure))
        self.figures.append(f"{name}.png")

    def close(self, what, numbers, details):
        """results.json, and the most of it on the screen. What is not a number (no image to measure) becomes null."""
        from rundir import about
        settings = {name: value for name, value in self.cfg.items() if config.EVAL[name].rule is not config.PATH}
        setting = {"settings": settings, "figures": self.figures, **about()}
        text = json.dumps(plain({**what, **numbers, **details, **setting}), indent=1, allow_nan=False) + "\n"
        with self.writing():
            for name in self._stale():
                (self.folder / name).unlink(missing_ok=True)
            config.write_whole(self.folder / "results.json", text.encode())
        config.say("{checkpoint}, trained on {trained_on}, evaluated on {evaluated_on}".format(**what))
        for name, value in numbers.items():
            config.say(f"{name.replace('_', ' '):<{max(map(len, numbers))}}  {readable(name, value)}")
        config.say(f"{self.folder}: results.json" + (f" and {len(self.figures)} figures" if self.figures else ""))

    def _stale(self):
        """-> the figures that the evaluation before, by its results.json, drew in this folder and this one did not."""
        try:
            before = json.loads((self.folder / "results.json").read_text())["figures"]
            return {name for name in before if re.fullmatch(r"[\w-]+\.png", name)} - {*self.figures}
        except (OSError, ValueError, LookupError, TypeError):  # there was none
            return set()


def readable(name, value):
    if name.endswith(("accuracy", "error", "rate")):
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int | np.integer) else f"{value:.5g}"


def plain(value):
    """NumPy and NaN -> what JSON has."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value


if __name__ == "__main__":
    config.run(main)
