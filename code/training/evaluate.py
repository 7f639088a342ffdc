"""The metrics of a whole split, every image counted once."""
import math
from collections.abc import Callable

from data.dataset import Examples, batches
from output import progress


def evaluate(test_step: Callable, split: Examples, batch_size: int,
             title: str | None = None) -> dict:
    """-> the means of the metrics over all images of the split.

    test_step: of step.make_test_step; title: of a progress bar, None for no bar.
    """
    sums = {}
    size = min(batch_size, len(split.labels))
    count = math.ceil(len(split.labels) / batch_size)
    for batch in progress(batches(split, batch_size), title, count):
        for name, value in test_step(batch, size).items():
            sums[name] = sums.get(name, 0.0) + value
    return {name: value / len(split.labels) for name, value in sums.items()}
