"""The health of a network: numbers by which one sees layers that are dead or asleep."""
from collections.abc import Callable

from data.dataset import Examples
from training.evaluate import evaluate

IMAGES = 256  # so few that it takes less than 1 % of a training


def measure(health_step: Callable, split: Examples, batch_size: int) -> dict[str, float]:
    """Returns the health of a network on the first images of a split.

    health_step: of step.make_health_step. The means over the images, by the names that the
    network's `health` gives them, and in place of "fires" how many channels never fire:

    dead_channels            channels of the first convolution that are zero in all of these images
    positive_activations     fraction of the first convolution's activations above zero
    short_primary_capsules   fraction of the primary capsules shorter than 0.1
    length_correct           mean length of the class capsules of the labels
    length_wrong             mean length of the others
    coupling_entropy         of the last couplings, as a fraction of ln J: 1 is uniform
    """
    means = evaluate(health_step, split.take(slice(0, IMAGES)), batch_size)
    if "fires" in means:
        means = {"dead_channels": int((means.pop("fires") == 0).sum()), **means}
    return means
