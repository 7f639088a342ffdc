"""Every setting once: its default, its meaning and its source.

`train.py` takes those of TRAIN, and a run records them. Every mode of `eval.py` takes those of
EVAL. Each setting is a flag, `--routing_iters` for ROUTING_ITERS. In code:

    from config import cfg
    cfg.ROUTING_ITERS        # 3
    cfg.ROUTING_ITER = 5     # InputError: a misspelt name is never silently a new setting

A dataset, a format of images, a network, a routing, a mode or an attack may have more, as SETTINGS
in its own file. A dataset may also have DEFAULTS, better values for settings of TRAIN.
"""
import os

import data
import registry
from settings import (
    FRACTION,
    NOT_NEGATIVE,
    PATH,
    PATHS,
    POSITIVE,
    ROOT,
    SEED,
    SWITCH,
    UP_TO_ONE,
    Config,
    Rule,
    Setting,
    at_least,
    is_text_everywhere,
    one_of,
)

DATASETS = registry.names("data.datasets")
NETWORKS = registry.names("model.networks")
MODES = registry.names("evaluation.modes")


def dataset_path(text: str) -> str:
    """Returns a path that the user types as an absolute one. A name stays a name."""
    return os.path.abspath(text) if text not in DATASETS and data.is_path(text) else text


DATASET = Rule(
    f"one of {', '.join(DATASETS)}, a .npz file, or a folder with one subfolder of images for each "
    "class",
    lambda value: is_text_everywhere(value) and (value in DATASETS or data.is_path(value)),
    dataset_path)

MODEL = registry.merged({
    "MODEL": Setting(
        "capsnet", f"the network: {', '.join(NETWORKS)}", "ours", one_of(NETWORKS)),
    "CONV1_CHANNELS": Setting(
        256, "channels of the first convolution", "paper, sec. 4", at_least(1)),
    "PRIMARY_CAPS_CHANNELS": Setting(
        32, "types of primary capsules", "paper, sec. 4", at_least(1)),
    "PRIMARY_DIM": Setting(
        8, "D, dimensions of a primary capsule", "paper, sec. 4", at_least(1)),
    "DIGIT_DIM": Setting(
        16, "E, dimensions of a class capsule", "paper, sec. 4", at_least(1)),
    "CONV_WAY": Setting(
        "auto", "how to compute the convolutions: direct, fourier (the same numbers with fewer "
        "products) or auto (the fastest)", "ours", one_of(("auto", "direct", "fourier")),
        may_change=True),
    "DECODER_UNITS": Setting(
        512, "units of the decoder's first layer; the second has twice as many", "paper, fig. 2",
        at_least(1)),
}, registry.settings("model.networks"), registry.settings("model.routings"))
LOSS = {
    "M_POS": Setting(
        0.9, "m+, the length wanted of a class that is present", "paper, eq. 4", FRACTION),
    "M_NEG": Setting(
        0.1, "m-, the length allowed to a class that is absent", "paper, eq. 4", FRACTION),
    "LAMBDA": Setting(
        0.5, "weight of the absent classes", "paper, eq. 4", NOT_NEGATIVE),
    "RECONSTRUCT_W": Setting(
        0.0005, "weight of the squared error summed over pixels", "paper, sec. 4.1", NOT_NEGATIVE),
}
DATA = registry.merged({
    "DATASET": Setting(
        "mnist", f"the images: {DATASET.words}", "ours", DATASET, may_change=True),
    "DATA_DIR": Setting(
        os.path.abspath(os.environ.get("CAPSNET_DATA_DIR") or ROOT / "data"),
        "folder that has a folder of files for each named dataset, or has the files itself; "
        "missing ones are downloaded", "original", PATH, may_change=True),
    "VALIDATION": Setting(
        5000, "named datasets except glyphs: training images held out for validation, the last "
        "ones; 0: none", "ours; the paper trains on all 60,000", at_least(0)),
}, registry.settings("data.datasets"), registry.settings("data.formats"))
TRAINING = {
    "SEED": Setting(
        0, "seed of all that is random: weights, batch order, shifts, glyphs, splits", "ours",
        SEED),
    "MAX_ITERS": Setting(
        5000, "training steps in all", "original", at_least(1), may_change=True),
    "STOP_AT": Setting(
        0.0, "training ends early when the accuracy on validation, with the weights that are "
        "trained, reaches this; 0: never", "ours; the paper stops early in sec. 5.2", FRACTION,
        may_change=True),
    "BATCH_SIZE": Setting(
        100, "images per step", "original", at_least(1)),
    "SHIFT": Setting(
        2, "largest random shift of a training image, in pixels", "paper, sec. 5", at_least(0)),
    "LR": Setting(
        0.001, "Adam's learning rate at the start", "original; TensorFlow's default, the paper's",
        POSITIVE, may_change=True),
    "STEP_SIZE": Setting(
        1000, "steps between two decays of the learning rate", "original", at_least(1),
        may_change=True),
    "DECAY_RATIO": Setting(
        0.5, "factor of each decay", "ours; the original has 0.7", UP_TO_ONE, may_change=True),
    "STAIRCASE": Setting(
        True, "let the learning rate fall at once after STEP_SIZE steps, not a little in each",
        "original; the authors' code has no staircase", SWITCH, may_change=True),
    "LR_FLOOR": Setting(
        0.0, "the learning rate falls no further", "ours; the authors' code has 0.000001",
        NOT_NEGATIVE, may_change=True),
    "WARMUP": Setting(
        0, "in this many first steps the learning rate rises linearly from almost 0; 0: in none; "
        "100 for your own images", "ours", at_least(0), may_change=True),
    "COOLDOWN": Setting(
        0, "in this many last steps the learning rate is also multiplied by a factor that falls "
        "linearly from 1 to 0; 0: in none", "ours", at_least(0), may_change=True),
    "EMA": Setting(
        0.0, "momentum of a moving average of the weights, which is evaluated beside them; 0: none",
        "ours", Rule("a number from 0 to below 1", lambda value: 0 <= value < 1)),
    "PRINT_EVERY": Setting(
        10, "steps between two lines of the log", "original", at_least(1), may_change=True),
    "VAL_EVERY": Setting(
        500, "steps between two passes over the whole validation split", "ours", at_least(1),
        may_change=True),
    "BEST_BY": Setting(
        "accuracy", "what the best network is chosen by, on validation: the highest accuracy or "
        "the lowest loss", "ours", one_of(("accuracy", "loss"))),
    "SAVE_EVERY": Setting(
        500, "steps between two checkpoints", "original", at_least(1), may_change=True),
    "KEEP": Setting(
        3, "checkpoints kept, besides the best one", "ours", at_least(1), may_change=True),
    "JIT": Setting(
        "auto", "compile the steps with XLA: on, off (a run then repeats bit for bit only with "
        "TF_DETERMINISTIC_OPS=1 in the environment) or auto (off only where XLA's convolution is "
        "slow)", "ours", one_of(("auto", "on", "off")), may_change=True),
}
TRAIN = registry.merged(MODEL, LOSS, DATA, TRAINING)

# Other defaults for the user's own images. With few classes, dark on light, the first steps at the
# full rate make every class capsule 1 long, for good. A warm-up of 20 steps does not prevent it.
OWN_IMAGES = {"WARMUP": 100}

# Other defaults for the settings named. A run records the settings, not the preset.
PRESETS = {
    "original": {},
    "official": {"BATCH_SIZE": 128, "LR": 0.001, "STEP_SIZE": 2000, "DECAY_RATIO": 0.96,
                 "STAIRCASE": False, "LR_FLOOR": 0.000001},
}

EVAL = {
    "MODE": Setting(
        "test", f"what to do: {', '.join(MODES)}", "original", one_of(MODES)),
    "CKPT": Setting(
        str(ROOT / "checkpoints" / "mnist"), "the network: a run's folder, a folder of checkpoints "
        "or a checkpoint's prefix; several, with commas, for modes that compare networks",
        "original", PATHS),
    "DATASET": DATA["DATASET"]._replace(
        help="the images; not given: those the network was trained on"),
    "DATA_DIR": DATA["DATA_DIR"],
    "SEED": Setting(
        0, "seed of the samples and of the attacks", "ours", SEED),
    "FIG_DIR": Setting(
        str(ROOT / "output" / "figs"), "where figures and results.json go, in a folder for each "
        "mode", "original", PATH),
    "BATCH_SIZE": Setting(
        100, "images per batch", "original", at_least(1)),
    "NUM_IMAGES": Setting(
        1000, "cap_tweak, adversarial, routing: test images measured, spread evenly over the "
        "classes; affine: those of each point of a curve", "ours", at_least(1)),
    "MAX_ITERS": Setting(
        100, "reconstruct: most figures; adversarial: most gradient steps for each image, "
        "and for each try of the strong attack",
        "original", at_least(1)),
}

# Settings of the images, as flags of eval.py: as in training where they are not given.
OF_DATASETS = {name: row for name, row in DATA.items() if name not in ("DATASET", "DATA_DIR")}
# The flags of all modes and attacks, and all flags of eval.py.
OF_MODES = registry.merged(
    registry.settings("evaluation.modes"), registry.settings("evaluation.attacks"))
EVAL_ALL = registry.merged(EVAL, OF_DATASETS, OF_MODES)

cfg = Config(TRAIN)


def settings_of_others(cfg) -> set[str]:
    """Returns the names of the settings of networks, routings, datasets and formats not in use.

    A run does not record their defaults: one day these files may be gone.
    """
    chosen = {"model.networks": cfg.MODEL, "model.routings": cfg.ROUTING,
              "data.datasets": cfg.DATASET}
    others = set(registry.settings("data.formats") if cfg.DATASET in DATASETS else ())
    for folder, name in chosen.items():
        for other in registry.names(folder):
            if other != name:
                others |= registry.settings_of(folder, other).keys()
    return others


def filled_in(preset: str, dataset: str) -> dict:
    """Returns the settings that a new training has where the user gives none.

    They are those of the preset and, where it says nothing, the DEFAULTS in the dataset's own file,
    or OWN_IMAGES.
    """
    own = OWN_IMAGES
    if dataset in DATASETS:
        own = getattr(registry.module("data.datasets", dataset), "DEFAULTS", {})
    return {**own, **PRESETS[preset]}
