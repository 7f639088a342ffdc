"""The modes of eval.py: each asks the network (probes.py, attacks.py), draws what it says (figures.py) and sums it up.

All take the model, the settings it was trained with, the dataset, eval's settings and `draw(name, figure)`, and return
two dicts: the numbers to print, and further details for results.json.
"""
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

import attacks
import checkpoints
import data
import figures
import probes
import shapes
import trainer
from config import InputError

PER_FIGURE = 100  # most images in a figure of reconstructions
SHOWN = 10  # most classes whose attacked images are drawn, each against each


def test(model, trained, dataset, cfg, draw):
    """The accuracy and the mean losses over the whole test split; the course of the training if it is at hand."""
    train, val = (_course(checkpoints.find(cfg.CKPT).parent, split) for split in ("train", "val"))
    means = trainer.evaluate(trainer.make_test_step(model, trained), dataset.test, cfg.BATCH_SIZE, "test")
    if len(train) and len(val):
        draw("curves", figures.curves(f"training on {Path(trained.DATASET).stem}", train, val))
    return {"images": len(dataset.test.labels), "accuracy": means["accuracy"], "error": 1 - means["accuracy"],
            "loss": means["loss"], "margin": means["margin"], "reconstruction": means["reconstruction"]}, {}


def _course(folder, split):
    """-> steps, losses and errors, each [n], that training wrote to folder/metrics.jsonl; empty without it."""
    path = folder / "metrics.jsonl"
    try:
        text = path.read_text().splitlines() if path.is_file() else []
        lines = [json.loads(line) for line in text if line.endswith("}")]  # the last may be half written
        return np.array([(line["step"], line["loss"], 1 - line["accuracy"])
                         for line in lines if line["split"] == split], float).T
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a metrics.jsonl of train.py ({type(error).__name__}: {error})") from None


def reconstruct(model, trained, dataset, cfg, draw):
    """How well the capsules describe the whole test split, right or wrong, and how well their lengths tell which."""
    images, labels = data.scale(dataset.test.images), dataset.test.labels
    look = probes.Network(model, trained, cfg.BATCH_SIZE).look(images, labels, "reconstruct")
    right = look.predicted == labels
    wanted = np.flatnonzero(~right) if cfg.SHOW == "errors" else np.arange(len(labels))
    size = min(cfg.BATCH_SIZE, PER_FIGURE)
    wanted = wanted[: cfg.MAX_ITERS * size]
    for page, start in enumerate(tqdm(range(0, len(wanted), size), "figures", leave=False)):
        which = wanted[start: start + size]
        rows = [("input", images[which], labels[which], np.zeros(len(which), bool))]
        for name, capsules, reconstruction in (("label", labels, look.by_label),
                                               ("predicted", look.predicted, look.by_predicted)):
            if cfg.SHOW == "errors" or name == cfg.MASK:
                captions = [f"{j} ({lengths[j]:.2f})"
                            for j, lengths in zip(capsules[which], look.lengths[which], strict=True)]
                rows.append((f"{name} capsule", reconstruction[which], captions, capsules[which] != labels[which]))
        title = (f"{dataset.name}, {'errors' if cfg.SHOW == 'errors' else 'test images'} {start + 1} to "
                 f"{start + len(which)}\nclass (length of its capsule); bold: not the label")
        draw(f"{cfg.SHOW}-{page:03}", figures.rows_of_images(title, rows))

    confusion = probes.confusion(labels, look.predicted, dataset.classes)
    draw("confusion", figures.matrix(f"{dataset.name}: {(~right).sum()} errors in {len(right)} test images", confusion,
                                     "predicted class", "true class", "errors", "{:.0f}"))
    reliability = probes.reliability(look.lengths.max(axis=1), right)
    draw("reliability", figures.reliability(f"{dataset.name}: is a capsule's length a probability?", *reliability[:-1]))
    by_predicted, by_label = (probes.squared_error(images, one) for one in (look.by_predicted, look.by_label))
    numbers = {"images": len(right), "accuracy": right.mean(), "errors": (~right).sum(), "images_drawn": len(wanted),
               "squared_error_per_pixel_right": mean(by_label[right]),
               "squared_error_per_pixel_wrong_label_capsule": mean(by_label[~right]),
               "squared_error_per_pixel_wrong_predicted_capsule": mean(by_predicted[~right]),
               "mean_gap_between_accuracy_and_length": reliability.gap}
    return numbers, {"confusion": confusion, "reliability": reliability._asdict(), "wrong": np.flatnonzero(~right)}


def cap_tweak(model, trained, dataset, cfg, draw):
    """What each dimension of a class's capsule does to the image, on test images that are classified right."""
    steps = round(cfg.TWEAK_RANGE / cfg.TWEAK_STRIDE)
    values = np.arange(-steps, steps + 1) * cfg.TWEAK_STRIDE
    network = probes.Network(model, trained, cfg.BATCH_SIZE)
    look, images, labels, numbers = classified_right(network, dataset.test, cfg, cfg.TWEAK_TARGET)
    capsules = look.v[np.arange(len(labels)), labels]                              # [N, E]
    measured = probes.measure_tweaks(network, capsules, labels, values, "tweak")
    effects = probes.effects(measured, labels, dataset.classes, values)

    classes, first = np.unique(labels, return_index=True)
    details = {}
    for j, n in zip(tqdm(classes, "figures", leave=False), first, strict=True):
        grid = probes.tweak(network, capsules[n: n + 1], labels[n: n + 1], values)[0]
        dimensions = [effects.of(j, e) for e in range(len(grid))]
        draw(f"class-{j}", figures.tweaks(
            f"{dataset.name}, class {j}: what each dimension of its capsule does\nright: the strongest effect of "
            f"+{effects.per:.3g}, mean of {effects.images[j]} images, but for those that vanish\n"
            "sd: spread within the class, of 1 px, 5° or half a pixel of stroke at least",
            grid, values, [one["strongest"] or "nothing significant" for one in dimensions]))
        details[f"class {j}"] = {"images": effects.images[j], "dimensions": dimensions}
    shown = np.where(effects.significant, effects.standard, np.nan)[classes]
    draw("effects", figures.effects(f"{dataset.name}: what +{effects.per:.3g} on a dimension changes", shown, classes,
                                    list(shapes.MEASURES)))
    strength = np.abs(shown)
    numbers |= {"dimensions": shown[..., 0].size,
                "dimensions_with_a_significant_effect": np.isfinite(shown).any(axis=2).sum()}
    for m, name in enumerate(shapes.MEASURES):
        numbers[f"largest_effect_on_{name.replace(' ', '_')}_in_sd"] = np.nanmax(strength[..., m], initial=0)
    return numbers, {"per": effects.per, "effects": details}


def adversarial(model, trained, dataset, cfg, draw):
    """How little it takes to fool the network, and how often the reconstruction gives the fraud away.

    Attacked are test images that are classified right, each towards one other class drawn by SEED if TARGETED.
    """
    network = probes.Network(model, trained, cfg.BATCH_SIZE)
    look, images, labels, numbers = classified_right(network, dataset.test, cfg)
    original = cfg.ATTACK == "original"
    kind = f"{dataset.name}, {'attack of the original repository' if original else cfg.ATTACK}, " + (
        "targeted" if cfg.TARGETED else "untargeted")

    def attack(images, classes, progress):
        return attacks.attack(network, cfg.ATTACK, images, classes, cfg.TARGETED, cfg.LR if original else cfg.EPSILON,
                              cfg.MAX_ITERS, cfg.SEED, progress)

    examples = draw_examples(network, attack, images, labels, dataset.classes, cfg.TARGETED, kind, draw)

    drawn = np.random.default_rng([cfg.SEED, 4]).integers(1, dataset.classes, len(labels))
    targets = ((labels + drawn) % dataset.classes).astype(labels.dtype)
    attacked = attack(images, targets if cfg.TARGETED else labels, "attack")
    done, l2, linf, steps = attacked.success, *(one[attacked.success] for one in attacked[3:])
    budgets = (np.linspace(0, l2.max(initial=1), 60) if original else
               np.append(0, attacks.budgets(cfg.EPSILON, cfg.MAX_ITERS)))
    rates = attacks.success_curve(attacked, budgets)
    norm = "L2" if original else "L-infinity"
    draw("success", figures.success(f"{kind}: {done.mean():.1%} of {len(done)} images", budgets, rates,
                                    f"{norm} budget (pixels in [0, 1])", steps))

    after = network.look(attacked.images, labels)
    others = targets if cfg.TARGETED else after.predicted
    tables = {"l2_by_class": attacks.class_table(labels[done], others[done], l2, dataset.classes)}
    if cfg.TARGETED:
        tables["success_by_class"] = attacks.class_table(labels, others, done, dataset.classes)
    else:
        counts = probes.confusion(labels, after.predicted, dataset.classes)
        tables["share_by_class"] = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    colours = {"l2_by_class": ("mean L2 distance needed (pixels in [0, 1])", "{:.1f}"),
               "success_by_class": ("success rate", "{:.2f}"), "share_by_class": ("share of the true class", "{:.2f}")}
    for name, table in tables.items():
        draw(name, figures.matrix(kind, table, "target" if cfg.TARGETED else "class after the attack", "true class",
                                  *colours[name]))

    some = probes.sample(dataset.val.labels, cfg.NUM_IMAGES, cfg.SEED)
    validation, truth = data.scale(dataset.val.images[some]), dataset.val.labels[some]
    known = network.look(validation, truth, "validation images")
    limit = attacks.threshold(attacks.reconstruction_distance(validation, known.by_predicted))
    natural = attacks.reconstruction_distance(images, look.by_predicted)
    fooling = attacks.reconstruction_distance(attacked.images, after.by_predicted)[done]
    draw("detection", figures.detection(f"{kind}: detection by reconstruction", natural, fooling, limit))
    numbers |= {"success_rate": done.mean(), "mean_l2": mean(l2), "median_l2": median(l2), "mean_linf": mean(linf),
                "median_linf": median(linf), "mean_steps": mean(steps), "median_steps": median(steps),
                "detection_threshold": limit, "false_positive_rate": (natural > limit).mean(),
                "detection_rate": mean(fooling > limit), "roc_area": attacks.roc_area(natural, fooling),
                "undetected_success_rate": (fooling <= limit).sum() / len(done)}
    return numbers, {"curve": {"norm": norm, "budgets": budgets, "success_rates": rates}, **tables,
                     "examples": examples}


def draw_examples(network, attack, images, labels, classes, targeted, kind, draw):
    """Attacks one image of each class, towards each other class if `targeted`: a figure each, and all in one sheet.

    -> a dict of numbers for each of them. Of many classes, the first SHOWN.
    """
    shown = np.arange(min(classes, SHOWN), dtype=labels.dtype)
    rows = [j for j in shown if j in labels]
    pairs = [(j, target) for j in rows for target in shown if target != j] if targeted else [(j, j) for j in rows]
    if not pairs:
        return []
    which = [np.flatnonzero(labels == j)[0] for j, _ in pairs]
    before, attacked = images[which], attack(images[which], np.array([target for _, target in pairs]), "examples")
    after = network.look(attacked.images, labels[which])
    cells = {(rows.index(j), j) if targeted else (0, rows.index(j)): (images[n], None)
             for (j, _), n in zip(pairs, which, strict=True)}
    examples = []
    for n, (j, target) in enumerate(tqdm(pairs, "figures", leave=False)):
        found = {"label": j, "target": target if targeted else None, "success": attacked.success[n],
                 "predicted": after.predicted[n], "length": after.lengths[n].max(), "steps": attacked.steps[n],
                 "l2": attacked.l2[n], "linf": attacked.linf[n]}
        examples.append(found)
        place = (rows.index(j), target) if targeted else (1, rows.index(j))
        cells[place] = attacked.images[n], None if found["success"] else figures.RED
        captions = (f"class {j}", f"classified as {found['predicted']} ({found['length']:.2f})",
                    f"L2 {found['l2']:.2f}, L-infinity {found['linf']:.2f}")
        title = (f"{kind}\n{j} to {target if targeted else 'any other class'}: "
                 f"{'success' if found['success'] else 'failed'} after {found['steps']} steps")
        draw(f"{j}-to-{target}" if targeted else f"{j}", figures.pair(title, before[n], attacked.images[n], captions))
    title = f"{kind}\nframed: failed"
    if targeted:
        sheet = figures.examples(title, rows, shown, cells, "target (on the diagonal: before)", "true class")
    else:
        sheet = figures.examples(title, ["before", "after"], rows, cells, "true class", "")
    draw("examples", sheet)
    return examples


def classified_right(network, split, cfg, target=-1):
    """-> probes.Look, images, labels of those NUM_IMAGES that are classified right, and how many. InputError if none.

    target: the one class to take images of; -1 for all.
    """
    candidates = np.arange(len(split.labels)) if target < 0 else np.flatnonzero(split.labels == target)
    if not len(candidates):
        raise InputError(f"--tweak_target {target}: expected a class of the test split, received one without images")
    chosen = candidates[probes.sample(split.labels[candidates], cfg.NUM_IMAGES, cfg.SEED)]
    images, labels = data.scale(split.images[chosen]), split.labels[chosen]
    look = network.look(images, labels, "test images")
    right = look.predicted == labels
    if not right.any():
        raise InputError(f"{cfg.CKPT}: expected a network that classifies a test image right, to measure it there; "
                         f"received none of {len(chosen)}")
    return (probes.Look(*(one[right] for one in look)), images[right], labels[right],
            {"images": len(chosen), "images_classified_right": right.sum()})


def mean(values):
    return values.mean() if values.size else np.nan


def median(values):
    return np.median(values) if values.size else np.nan
