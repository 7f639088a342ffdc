"""What routing does: error against the iterations, logits, couplings, agreement (appendix A).

Several networks go side by side. Test images are spread evenly over the classes.
"""
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from data.dataset import Batch, Dataset, as_batch
from evaluation.capsules import couplings
from evaluation.capsules.couplings import Couplings
from evaluation.figures.charts import chart
from evaluation.figures.side_by_side import Style, curve, finish, styles_of
from evaluation.network.predictor import Predictor
from evaluation.report import Numbers, Report
from evaluation.sampling import spread_evenly
from evaluation.statistics.intervals import Z, wilson
from model.capsules import length
from model.losses import margin_loss
from model.network import Network, exact_match, targets
from runs import records
from settings import split_paths

NEEDS = frozenset({"capsules", "routing"})
COMPARES = True


def run(predictors: dict[str, Predictor], dataset: Dataset, cfg,
        report: Report) -> tuple[Numbers, dict]:
    """Returns entropies, the capsules that carry a class, and cosines, with 95 % intervals.

    Draws iterations.png, logits.png, agreement.png, and for each network where.png. If a run has
    recorded how its logits changed, also training.png.
    """
    folders = [Path(path).parent for path in split_paths(cfg.CKPT)]
    trainings = {name: records.read(folder)["health"]
                 for name, folder in zip(predictors, folders, strict=True)}

    # in the order of the split, which is the order of the pairs, too
    chosen = np.sort(spread_evenly(dataset.test.labels[:, 0], cfg.NUM_IMAGES, cfg.SEED))
    batch = as_batch(dataset.test.take(chosen))

    # measure
    found, curves = {}, {}
    for name, predictor in predictors.items():
        found[name] = couplings.measure(predictor, batch.images, batch.labels)
        curves[name] = by_iterations(predictor, batch)

    # draw
    styles = styles_of(predictors)
    title = f"{dataset.name}, {len(chosen):,} test images"
    if any(curves.values()):
        report.draw("iterations", draw_iterations(title, curves, styles))
        report.draw("logits", draw_logits(title, found, styles))
    if any("logit_change_1" in row for rows in trainings.values() for row in rows):
        report.draw("training", draw_training(dataset.name, trainings, styles))
    report.draw("agreement", draw_agreement(title, found, styles))
    for number, (name, predictor) in enumerate(predictors.items()):
        file = "where" if len(predictors) == 1 else f"where-{number}"
        report.draw(file, draw_where(f"{name}: {title}", found[name], predictor.network))

    # means over the images, and their 95 % intervals, of a normal distribution
    numbers, details = {"images": len(chosen)}, {}
    for name, one in found.items():
        of_images = {"coupling_entropy": one.entropy,
                     "coupling_entropy_weighted_by_votes": one.entropy_of_votes,
                     "capsules_that_carry_half": one.half,
                     "cosine_before_label": one.before[:, 0],
                     "cosine_after_label": one.after[:, 0],
                     "cosine_before_other": one.before[:, 1],
                     "cosine_after_other": one.after[:, 1]}                    # [N] each
        means, intervals = {}, {}
        for key, values in of_images.items():
            mean, error = values.mean(), Z * stats.sem(values) if len(values) > 1 else np.nan
            means[key], intervals[key] = mean, (mean - error, mean + error)
        numbers |= means if len(predictors) == 1 else {name: means}
        details[name] = {"by_iterations": curves[name],
                         "logit_change": one.logit_change.mean(axis=0), "intervals": intervals}
    return numbers, {"routing": details}


def by_iterations(predictor: Predictor, batch: Batch) -> list[dict[str, float]]:
    """Returns error and margin loss for 1 to 10 iterations, with the weights as they are.

    Empty for a routing without iterations.
    """
    network, trained = predictor.network, predictor.trained
    routings = couplings.routings(predictor)
    if not routings:
        return []

    # the lengths of the class capsules, for each number of iterations
    lengths = {count: [] for count in routings}
    for u, _ in couplings.primary_capsules(network, batch.images, "iterations"):
        for count, routing in routings.items():
            lengths[count].append(length(routing(u, network.digit_caps)))      # [B, J]

    # how good they are
    present, rows = targets(batch.labels, network.classes), []                 # [N, J]
    for count, parts in lengths.items():
        scores = np.concatenate(parts)
        error = 1 - float(np.mean(exact_match(scores, batch.labels)))
        low, high = wilson(error, len(scores))
        margin = margin_loss(scores, present, trained.M_POS, trained.M_NEG, trained.LAMBDA)
        rows.append({"iterations": count, "error": error, "low": low, "high": high,
                     "margin": float(np.mean(margin))})
    return rows


# ---- figures ----

def draw_iterations(title: str, curves: dict[str, list[dict]], styles: dict[str, Style]) -> Figure:
    """Draws error and margin loss against the number of iterations, weights as they are."""
    figure, (left, right) = chart(
        f"{title}: other numbers of iterations than in training, the same weights", 8, 3.4, ncols=2)
    for name, rows in curves.items():
        if rows:
            found = {}
            for key in rows[0]:
                found[key] = np.array([row[key] for row in rows])
            curve(left, found["iterations"], found["error"], styles[name], name,
                  low=found["low"], high=found["high"])
            curve(right, found["iterations"], found["margin"], styles[name], name)
    finish(left, "routing iterations at evaluation", "error rate, with 95 % interval")
    finish(right, "routing iterations at evaluation", "margin loss")
    return figure


def draw_logits(title: str, found: dict[str, Couplings], styles: dict[str, Style]) -> Figure:
    """Draws what each iteration adds to the logits, on a log scale (figure A.1 b)."""
    figure, axes = chart(f"{title}: change of the routing logits", 5.5, 3.6)
    for name, one in found.items():
        change = one.logit_change.mean(axis=0)                                 # [r]
        if len(change) > 1:  # otherwise the routing has no iterations
            curve(axes, np.arange(1, len(change) + 1), change, styles[name], name)
    finish(axes, "routing iteration", "mean change of a logit", logarithmic=True)
    axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def draw_training(title: str, trainings: dict[str, list[dict]], styles: dict[str, Style]) -> Figure:
    """Draws what the iterations add to the logits during training, on a log scale (figure A.1 a).

    trainings: for each network the health that its run recorded
    """
    figure, axes = chart(f"{title}: change of the routing logits, on validation", 6.5, 4)
    for name, rows in trainings.items():
        rows = [row for row in rows if "logit_change_1" in row]
        steps = np.array([row["step"] for row in rows])
        changes = [key for key in rows[0] if key.startswith("logit_change_")] if rows else []
        for number, key in enumerate(changes, 1):
            curve(axes, steps, np.array([row[key] for row in rows]), styles[name],
                  f"{name}, iteration {number}", line=("-", "--", ":", "-.")[(number - 1) % 4])
    finish(axes, "training steps", "mean change of a logit", logarithmic=True)
    return figure


def draw_agreement(title: str, found: dict[str, Couplings], styles: dict[str, Style]) -> Figure:
    """Draws the cosines of votes and class capsules: label and other class, before and after."""
    figure, axes = chart(f"{title}: how well votes agree with their class capsule", 8, 3.4, ncols=2,
                         sharey=True)
    for column, whose in enumerate(("the label's", "the longest other")):
        for name, one in found.items():
            means = np.array([one.before[:, column].mean(), one.after[:, column].mean()])
            curve(axes[column], np.arange(2), means, styles[name], name)
        axes[column].set_xticks([0, 1], ["uniform couplings", "after routing"])
        axes[column].set_xlim(-0.3, 1.3)
        finish(axes[column], f"{whose} class capsule", "mean cosine, weighted by length of votes")
    return figure


def draw_where(title: str, found: Couplings, network: Network) -> Figure:
    """Draws the coupling to the predicted class, by position and by type of primary capsule."""
    types = network.primary_caps.types
    places = found.to_predicted.reshape(network.primary_rows(), -1, types)     # [h, w, types]
    by_type = places.mean(axis=(0, 1))

    even = 1 / network.classes
    figure, (left, right) = chart(
        f"{title}\ncoupling to the predicted class, 1 / J is {even:.3g}", 9, 3.6, ncols=2)
    figure.colorbar(left.imshow(places.mean(axis=2), cmap="cividis"), ax=left)
    left.set(xlabel="position, mean over the types", xticks=[], yticks=[])
    right.bar(np.arange(types), by_type)
    right.axhline(even, color="grey", linestyle="--", linewidth=1)
    room = max(0.1 * np.ptp(by_type), 1e-6)
    right.set(xlabel="type of primary capsule, mean over the positions", ylabel="coupling",
              ylim=(by_type.min() - room, by_type.max() + room))
    return figure
