"""What routing does: error against the iterations, logits, couplings, agreement (appendix A).

Several networks go side by side. Test images are spread evenly over the classes; where an image
shows two digits, agreement is that of its first one.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from data.dataset import Batch, Dataset, as_batch
from evaluation.capsules import couplings
from evaluation.capsules.couplings import Couplings
from evaluation.figures import side_by_side
from evaluation.figures.charts import chart
from evaluation.figures.side_by_side import Style
from evaluation.network.predictor import Predictor
from evaluation.report import Numbers, Report
from evaluation.sampling import spread_evenly
from evaluation.statistics.intervals import Z, wilson
from model.capsules import length
from model.losses import margin_loss
from model.network import exact_match, targets

NEEDS = frozenset({"capsules", "routing"})
COMPARES = True


def run(predictors: dict[str, Predictor], dataset: Dataset, cfg,
        report: Report) -> tuple[Numbers, dict]:
    """Returns entropies, the capsules that carry a class, and cosines, with 95 % intervals.

    Draws iterations.png, logits.png, agreement.png, and for each network where.png.
    """
    # in the order of the split, which is the order of the pairs, too
    chosen = np.sort(spread_evenly(dataset.test.labels[:, 0], cfg.NUM_IMAGES, cfg.SEED))
    batch = as_batch(dataset.test.take(chosen))

    # measure
    found, curves = {}, {}
    for name, predictor in predictors.items():
        found[name] = couplings.measure(predictor, batch.images, batch.labels)
        curves[name] = by_iterations(predictor, batch)

    # draw
    styles = side_by_side.styles_of(predictors)
    title = f"{dataset.name}, {len(chosen):,} test images"
    if any(curves.values()):
        report.draw("iterations", draw_iterations(title, curves, styles))
        report.draw("logits", draw_logits(title, found, styles))
    report.draw("agreement", draw_agreement(title, found, styles))
    for number, (name, predictor) in enumerate(predictors.items()):
        file = "where" if len(predictors) == 1 else f"where-{number}"
        report.draw(file, draw_where(f"{name}: {title}", found[name], predictor))

    # means over the images, and their intervals
    numbers, details = {"images": len(chosen)}, {}
    for name, one in found.items():
        values = of_images(one)
        mine = {key: each.mean() for key, each in values.items()}
        numbers |= mine if len(predictors) == 1 else {name: mine}
        details[name] = {"by_iterations": curves[name],
                         "logit_change": one.logit_change.mean(axis=0),
                         "intervals": {key: interval(each) for key, each in values.items()}}
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


def of_images(found: Couplings) -> dict[str, np.ndarray]:
    """Returns what is averaged over the images, [N] each."""
    return {"coupling_entropy": found.entropy,
            "coupling_entropy_weighted_by_votes": found.entropy_of_votes,
            "capsules_that_carry_half": found.half,
            "cosine_before_label": found.before[:, 0],
            "cosine_after_label": found.after[:, 0],
            "cosine_before_other": found.before[:, 1],
            "cosine_after_other": found.after[:, 1]}


def interval(values: np.ndarray) -> tuple[float, float]:
    """Returns the 95 % interval of the mean of values [N], of a normal distribution."""
    error = Z * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return values.mean() - error, values.mean() + error


# ---- figures ----

def draw_iterations(title: str, curves: dict[str, list[dict]], styles: dict[str, Style]) -> Figure:
    """Draws error and margin loss against the number of iterations, weights as they are."""
    figure, axes = chart(f"{title}: other numbers of iterations than in training, the same weights",
                         8, 3.4, ncols=2)
    for name, rows in curves.items():
        if not rows:
            continue
        columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
        for one, key in zip(axes, ("error", "margin"), strict=True):
            side_by_side.curve(one, columns["iterations"], columns[key], styles[name], name)
        axes[0].fill_between(columns["iterations"], columns["low"], columns["high"], alpha=0.15,
                             color=styles[name].colour, linewidth=0)
    for one, label in zip(axes, ("error rate, with 95 % interval", "margin loss"), strict=True):
        one.set(xlabel="routing iterations at evaluation", ylabel=label)
        one.grid()
    axes[0].legend()
    return figure


def draw_logits(title: str, found: dict[str, Couplings], styles: dict[str, Style]) -> Figure:
    """Draws what each iteration adds to the logits, on a log scale (figure A.1 b)."""
    figure, axes = chart(f"{title}: change of the routing logits", 5.5, 3.6)
    for name, one in found.items():
        if one.logit_change.shape[1] == 1:  # no iterations
            continue
        change = one.logit_change.mean(axis=0)                                 # [r]
        side_by_side.curve(axes, np.arange(1, len(change) + 1), change, styles[name], name)
    axes.set(xlabel="routing iteration", ylabel="mean change of a logit", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(which="both")
    axes.legend()
    return figure


def draw_agreement(title: str, found: dict[str, Couplings], styles: dict[str, Style]) -> Figure:
    """Draws the cosines of votes and class capsules: label and other class, before and after."""
    figure, axes = chart(f"{title}: how well votes agree with their class capsule", 8, 3.4, ncols=2,
                         sharey=True)
    for column, (one, whose) in enumerate(zip(axes, ("the label's", "the longest other"),
                                              strict=True)):
        for name, mine in found.items():
            means = [mine.before[:, column].mean(), mine.after[:, column].mean()]
            side_by_side.curve(one, np.arange(2), np.array(means), styles[name], name)
        one.set_xticks([0, 1], ["uniform couplings", "after routing"])
        one.set(xlim=(-0.3, 1.3), xlabel=f"{whose} class capsule")
        one.grid()
    axes[0].set_ylabel("mean cosine, weighted by the votes' lengths")
    axes[0].legend()
    return figure


def draw_where(title: str, found: Couplings, predictor: Predictor) -> Figure:
    """Draws the coupling to the predicted class, by position and by type of primary capsule."""
    network = predictor.network
    types = network.primary_caps.types
    places = found.to_predicted.reshape(-1, types)                             # [positions, types]
    figure, axes = chart(f"{title}\ncoupling to the predicted class, 1 / J is "
                         f"{1 / network.classes:.3g}", 9, 3.6, ncols=2)
    by_place = places.mean(axis=1).reshape(network.primary_rows(), -1)
    figure.colorbar(axes[0].imshow(by_place, cmap="cividis"), ax=axes[0])
    axes[0].set(xlabel="position, mean over the types", xticks=[], yticks=[])
    axes[1].bar(np.arange(types), places.mean(axis=0))
    axes[1].axhline(1 / network.classes, color="grey", linestyle="--", linewidth=1)
    axes[1].set(xlabel="type of primary capsule, mean over the positions", ylabel="coupling")
    low, high = places.mean(axis=0).min(), places.mean(axis=0).max()
    room = max(0.1 * (high - low), 1e-6)
    axes[1].set_ylim(low - room, high + room)
    return figure
