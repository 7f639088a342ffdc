"""Arrays -> figures -> PNG, without a display. Colours are told apart by colour-blind readers and on a grey printer."""
import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

DPI = 150
SIDE = 0.7              # inches, width of an image on a sheet; the unit of all positions on it
COLUMNS = 10            # images side by side on a sheet
GAP, LINE = 0.08, 0.26  # units between images, and of a line of text
SMALL, BODY = 7, 9      # points
BLUE, ORANGE, RED = "#0072B2", "#E69F00", "#D55E00"  # Okabe and Ito
MOST_NUMBERS = 20       # classes up to which a matrix has its numbers written in


def png(figure):
    """-> the bytes of a PNG file; the same for the same figure."""
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    return file.getvalue()


# ---- sheets of images: one pair of axes whose unit is the width of an image, y downwards ----

def sheet(title, width, height):
    """An empty sheet with room for its title -> figure, axes"""
    title_lines = 1 + title.count("\n")
    least = max(len(line) for line in title.split("\n")) * 0.11 + 0.2      # units that the title needs, with a margin
    margin = max(0, least - width) / 2
    top = 0.3 + LINE * title_lines
    width, height = width + 2 * margin, height + top
    figure = Figure(figsize=(width * SIDE, height * SIDE), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-margin, width - margin), ylim=(height - top, -top))
    axes.set_axis_off()
    axes.text(width / 2 - margin, -top + 0.15, title, ha="center", va="top", fontsize=BODY)
    return figure, axes


def put(axes, image, x, y, frame=None, width=1, difference=False):
    """image [H, W, C] with its upper left corner at x, y. One channel is grey, three are colours, else the first."""
    H, W, C = image.shape
    height = width * H / W
    colours = {"cmap": "PuOr", "vmin": -1, "vmax": 1} if difference else {"cmap": "gray", "vmin": 0, "vmax": 1}
    axes.imshow(image if C == 3 and not difference else image[..., 0], extent=(x, x + width, y + height, y),
                aspect="auto", **colours)
    if frame:
        axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=frame, linewidth=2, clip_on=False))


def rows_of_images(title, rows):
    """rows: (name, images [N, H, W, C], captions [N], wrong [N] bool: captions to mark), one below the other.

    COLUMNS images to a line; if there are more, the rows go on in further bands below.
    """
    N, H, W, _ = rows[0][1].shape
    columns, bands = min(N, COLUMNS), -(-N // COLUMNS)
    left = max(len(name) for name, *_ in rows) * 0.09 + 0.2
    step = LINE + H / W + GAP
    band = len(rows) * step + 0.2
    figure, axes = sheet(title, left + columns * (1 + GAP) + 0.2, bands * band)
    for k, (name, images, captions, wrong) in enumerate(rows):
        for n in range(N):
            x, y = left + n % COLUMNS * (1 + GAP), n // COLUMNS * band + k * step + LINE
            put(axes, images[n], x, y)
            axes.text(x + 0.5, y - 0.04, captions[n], ha="center", fontsize=SMALL, color=RED if wrong[n] else "black",
                      weight="bold" if wrong[n] else "normal")
            if n % COLUMNS == 0:
                axes.text(x - 0.1, y + H / W / 2, name, ha="right", va="center", fontsize=SMALL)
    return figure


def tweaks(title, grid, values, names):
    """grid [E, K, H, W, C]: a row for each dimension, a column for each of `values`; names [E] of what a row does."""
    E, K, H, W, _ = grid.shape
    left, right = 1.3, 0.3 + max(map(len, names)) * 0.09
    figure, axes = sheet(title, left + K * (1 + GAP) + right, 2 * LINE + E * (H / W + GAP) + 0.15)
    axes.text(left + K * (1 + GAP) / 2, 0.15, "added to the dimension", ha="center", fontsize=SMALL)
    for k, value in enumerate(values):
        axes.text(left + k * (1 + GAP) + 0.5, 2 * LINE - 0.06, f"{value:+.3g}" if value else "0", ha="center",
                  fontsize=SMALL)
    for e in range(E):
        y = 2 * LINE + e * (H / W + GAP)
        axes.text(left - 0.1, y + H / W / 2, f"dimension {e}", ha="right", va="center", fontsize=SMALL)
        axes.text(left + K * (1 + GAP) + 0.05, y + H / W / 2, names[e], va="center", fontsize=SMALL)
        for k in range(K):
            put(axes, grid[e, k], left + k * (1 + GAP), y, frame=ORANGE if values[k] == 0 else None)
    return figure


def examples(title, rows, columns, cells, xlabel, ylabel):
    """Attacked images in rows and columns. cells: {(row, column): (image [H, W, C], frame or None)}

    rows, columns: their names, in order; the keys of `cells` count from 0.
    """
    H, W, _ = next(iter(cells.values()))[0].shape
    left, top = 0.5 + max(len(str(name)) for name in rows) * 0.11, 0.75
    figure, axes = sheet(title, left + len(columns) * (1 + GAP) + 0.2, top + len(rows) * (H / W + GAP) + 0.1)
    axes.text(left + len(columns) * (1 + GAP) / 2, 0.3, xlabel, ha="center", fontsize=BODY)
    axes.text(0.15, top + len(rows) * (H / W + GAP) / 2, ylabel, rotation=90, va="center", ha="center", fontsize=BODY)
    for k, name in enumerate(columns):
        axes.text(left + k * (1 + GAP) + 0.5, top - 0.1, name, ha="center", fontsize=BODY)
    for k, name in enumerate(rows):
        axes.text(left - 0.1, top + k * (H / W + GAP) + H / W / 2, name, ha="right", va="center", fontsize=BODY)
    for (row, column), (image, frame) in cells.items():
        put(axes, image, left + column * (1 + GAP), top + row * (H / W + GAP), frame)
    return figure


def pair(title, image, adversarial, captions):
    """An image, its adversarial neighbour and their difference; captions for these three."""
    H, W, _ = image.shape
    figure, axes = sheet(title, 6.8, 2 * H / W + 2 * LINE)
    for k, (one, caption) in enumerate(zip((image, adversarial, adversarial - image), captions, strict=True)):
        x = 0.2 + k * 2.2
        put(axes, one, x, LINE, width=2, difference=k == 2)
        axes.text(x + 1, LINE - 0.06, caption, ha="center", fontsize=SMALL)
    return figure


# ---- charts ----

def chart(title, width, height, **grid):
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    axes = figure.subplots(**grid)
    figure.suptitle(title, fontsize=BODY + 1)
    for one in np.ravel(axes):
        one.tick_params(labelsize=SMALL + 1, which="both")
    return figure, axes


def matrix(title, values, xlabel, ylabel, colour_label, form):
    """values [J, J], written in by `form`; NaN is left empty. The diagonal is no part of the colour scale."""
    J = len(values)
    side = 3 + 0.35 * min(J, MOST_NUMBERS)
    figure, axes = chart(title, side + 0.8, side)
    axes.set_facecolor("#e8e8e8")
    colours = np.where(np.eye(J, dtype=bool), np.nan, values.astype(float))
    limits = (np.nanmin(colours), np.nanmax(colours)) if np.isfinite(colours).any() else (0, 1)
    shown = axes.imshow(colours, cmap="cividis", vmin=min(0, limits[0]), vmax=max(limits[1], 1e-9))
    bar = figure.colorbar(shown, shrink=0.8)
    bar.set_label(colour_label, fontsize=BODY)
    bar.ax.tick_params(labelsize=SMALL + 1)
    if J <= MOST_NUMBERS:
        axes.set_xticks(range(J))
        axes.set_yticks(range(J))
        middle = shown.norm.vmax / 2
        for row, column in np.argwhere(np.isfinite(values)):
            dark = row != column and values[row, column] < middle
            axes.text(column, row, form.format(values[row, column]), ha="center", va="center", fontsize=SMALL,
                      color="white" if dark else "black")
    axes.set_xlabel(xlabel, fontsize=BODY)
    axes.set_ylabel(ylabel, fontsize=BODY)
    return figure


def curves(title, train, val):
    """Loss and share wrong against steps. train, val: (steps [n], loss [n], error [n]) of batches and of whole passes.

    What training says of single batches is drawn as means over at most 100 stretches.
    """
    figure, axes = chart(title, 8, 3.4, ncols=2)
    stretches = np.array_split(np.arange(len(train[0])), min(100, len(train[0])))
    means = [np.array([values[stretch].mean() for stretch in stretches]) for values in train]
    for one, place, label in zip(axes, (1, 2), ("loss", "share wrong"), strict=True):
        one.plot(means[0], means[place], "-", color=ORANGE, linewidth=1, label="training batches")
        one.plot(val[0], val[place], "o-", color=BLUE, markersize=3, label="validation")
        one.set_yscale("log")
        one.set_xlabel("training steps", fontsize=BODY)
        one.set_ylabel(label, fontsize=BODY)
        one.grid(color="#dddddd")
        one.legend(fontsize=SMALL + 1)
    return figure


def reliability(title, count, length, accuracy, low, high):
    """Accuracy against the winning capsule's length, and how many images each bin has. All [bins]; empty ones NaN."""
    figure, (upper, lower) = chart(title, 5, 5, nrows=2, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1, label="length = accuracy")
    there = count > 0
    spread = np.maximum(0, [accuracy[there] - low[there], high[there] - accuracy[there]])
    upper.errorbar(length[there], accuracy[there], spread, fmt="o-", color=BLUE, capsize=3, markersize=5,
                   label="images, 95 % interval")
    upper.set_ylabel("accuracy (share right)", fontsize=BODY)
    upper.set_ylim(-0.03, 1.03)
    upper.legend(fontsize=SMALL + 1, loc="lower right")
    edges = np.linspace(0, 1, len(count) + 1)
    lower.bar(edges[:-1], count, np.diff(edges), align="edge", color=BLUE, edgecolor="white")
    lower.set_yscale("symlog", linthresh=1)
    lower.set_ylim(0, count.max() * 3)
    lower.set_ylabel("images", fontsize=BODY)
    lower.set_xlabel("length of the winning capsule", fontsize=BODY)
    lower.set_xlim(0, 1)
    return figure


def effects(title, standard, classes, measures):
    """standard [J, E, M] effects in standard deviations, NaN where not significant, of `classes` [J] on `measures`."""
    J, E, M = standard.shape
    columns = min(J, 5)
    rows = -(-J // columns)
    figure, axes = chart(title, 2.8 + 1.6 * columns, 1.4 + rows * (0.5 + 0.14 * max(E, 12)), nrows=rows, ncols=columns,
                         sharex=True, sharey=True, squeeze=False)
    limit = np.nanmax(np.abs(standard)) if np.isfinite(standard).any() else 1
    for j, one in enumerate(axes.flat):
        one.set_visible(j < J)
        if j < J:
            one.set_facecolor("#bbbbbb")
            shown = one.imshow(standard[j], cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
            one.set_title(f"class {classes[j]}", fontsize=BODY)
            one.set_xticks(range(M), measures, rotation=90)
            one.set_yticks(range(E))
            one.tick_params(labelbottom=j + columns >= J)
    figure.supylabel("dimension of the capsule", fontsize=BODY)
    bar = figure.colorbar(shown, ax=axes, aspect=40)
    bar.set_label("change, in sd as in the figures of the classes\n(grey: not significant)", fontsize=BODY)
    bar.ax.tick_params(labelsize=SMALL + 1)
    return figure


def success(title, budgets, rates, budget_label, steps):
    """Success rate against budget, both [n], and a histogram of the steps [N] that the successful images needed."""
    figure, (left, right) = chart(title, 8, 3.4, ncols=2)
    left.plot(budgets, rates, "o-" if len(budgets) < 15 else "-", color=BLUE, markersize=4)
    left.set_ylim(-0.03, 1.03)
    left.set_xlim(0, max(budgets) * 1.02)
    left.set_xlabel(budget_label, fontsize=BODY)
    left.set_ylabel("success rate", fontsize=BODY)
    left.grid(color="#dddddd")
    if len(steps):
        width = max(1, steps.max() // 30)
        right.hist(steps, np.arange(-0.5, steps.max() + width, width), color=BLUE, edgecolor="white")
    right.set_xlabel("gradient steps until success", fontsize=BODY)
    right.set_ylabel("images", fontsize=BODY)
    right.yaxis.get_major_locator().set_params(integer=True)
    return figure


def detection(title, natural, adversarial, threshold):
    """Distances [N], [n] between images and their reconstructions, as two histograms, and the detector's threshold."""
    figure, axes = chart(title, 6, 3.6)
    bins = np.linspace(0, max(natural.max(), adversarial.max(initial=0)) * 1.02, 50)
    axes.hist(natural, bins, density=True, color=BLUE, alpha=0.75, label="natural")
    if len(adversarial):
        axes.hist(adversarial, bins, density=True, histtype="step", color=RED, linewidth=1.8, hatch="//",
                  label="adversarial")
    axes.axvline(threshold, color="black", linestyle="--", linewidth=1.2, label=f"threshold, {threshold:.2f}")
    axes.set_xlabel("L2 distance to the winning capsule's reconstruction (pixels in [0, 1])", fontsize=BODY)
    axes.set_ylabel("density", fontsize=BODY)
    axes.legend(fontsize=SMALL + 1)
    return figure
