"""What a training measures: a whole split, the network's health, the validation, the test."""
import math
from collections.abc import Callable

from data.dataset import Examples, batches
from output import progress
from training.optimizer import averaged
from training.step import Training

HEALTH_IMAGES = 256  # so few that it takes less than 1 % of a training
HEALTH_BATCH = 32    # images at once: their votes should take no more memory than a training step
AWAKE = 200          # steps after which a network should tell classes apart
ALIKE = 0.02         # difference of two mean lengths that tells nothing apart
DEAD = 0.5           # fraction of dead channels above which a network has lost too much


def evaluate(test_step: Callable, split: Examples, batch_size: int,
             title: str | None = None) -> dict:
    """Returns the means of the metrics over all images of the split, every image counted once.

    test_step: of step.make_test_step; title: of a progress bar, None for no bar.
    """
    sums = {}
    size = min(batch_size, len(split.labels))
    count = math.ceil(len(split.labels) / batch_size)
    for batch in progress(batches(split, batch_size), title, count):
        for name, value in test_step(batch, size).items():
            sums[name] = sums.get(name, 0.0) + value
    return {name: value / len(split.labels) for name, value in sums.items()}


def measure_health(health_step: Callable, split: Examples, batch_size: int) -> dict[str, float]:
    """Returns numbers by which one sees layers that are dead or asleep, on a split's first images.

    health_step: of step.make_health_step. The means over the images, by the names that the
    network's `health` gives them, and in place of "fires" how many channels never fire:

    dead_channels            channels of the first convolution that are zero in all of these images
    dead_fraction            of all its channels
    positive_activations     fraction of the first convolution's activations above zero
    short_primary_capsules   fraction of the primary capsules shorter than 0.1
    length_correct           mean length of the class capsules of the labels
    length_wrong             mean length of the others
    coupling_entropy         of the last couplings, as a fraction of ln J: 1 is uniform
    logit_change_1           mean |u_hat . v| of the first iteration, and so on
    """
    means = evaluate(health_step, split.take(slice(0, HEALTH_IMAGES)), batch_size)
    if "fires" in means:
        dead = means.pop("fires") == 0                                         # [channels]
        means = {"dead_channels": int(dead.sum()), "dead_fraction": float(dead.mean()), **means}
    for number, change in enumerate(means.pop("logit_change", ()), 1):
        means[f"logit_change_{number}"] = float(change)
    return means


def fault_of(health: dict[str, float]) -> str:
    """Returns why a network of this health learns little, in words; an empty string if it is well."""
    if health.get("dead_fraction", 0) > DEAD:
        return (f"{health['dead_fraction']:.0%} of the channels of the first convolution never "
                "fire")
    if "length_correct" in health:
        right, wrong = health["length_correct"], health["length_wrong"]
        if abs(right - wrong) < ALIKE:
            return ("the class capsules are equally long, whatever the class "
                    f"({right:.2f} for the label, {wrong:.2f} for the others)")
    return ""


def validate(training: Training) -> list[str]:
    """Measures the validation split. Returns lines to show. The network is kept if it is the best.

    With EMA the moving average of the weights is measured, too, and is the one that is kept.
    """
    cfg, run, step = training.cfg, training.run, training.step
    split = training.dataset.val
    if not len(split.labels):
        return []

    # the trained weights
    validated = evaluate(training.test_step, split, cfg.BATCH_SIZE, "validation")
    lines = [run.record(step, "val", **validated)]
    health = measure_health(training.health_step, split, min(cfg.BATCH_SIZE, HEALTH_BATCH))
    run.record(step, "health", **health)

    # say once what is wrong with its layers
    before, training.fault = training.fault, fault_of(health) if step >= AWAKE else ""
    if training.fault and not before:
        lines.append(run.note(
            f"after step {step} {training.fault}: this network learns little; begin anew with a "
            "longer --warmup, another --init or a smaller --lr"))

    # the best network
    if not cfg.EMA:
        run.save_if_best(step, validated)
        return lines
    with averaged(training.optimizer, training.network.trainable_variables):
        validated = evaluate(training.test_step, split, cfg.BATCH_SIZE, "validation, average")
        lines.append(run.record(step, "val_average", **validated))
        run.save_if_best(step, validated)
    return lines


def test(training: Training) -> dict[str, dict]:
    """Returns the metrics of the whole test split with the last weights, and with the best.

    With EMA, also with the moving average of the weights, which is saved as average-STEP.
    """
    cfg, run, step = training.cfg, training.run, training.step

    def tested(name: str, step: int) -> dict:
        split = training.dataset.test
        found = evaluate(training.test_step, split, cfg.BATCH_SIZE, f"test, {name}")
        return {"step": step, **found}

    results = {"last": tested("last", step)}
    if cfg.EMA:
        with averaged(training.optimizer, training.network.trainable_variables):
            results["average"] = tested("average", step)
            run.save_network("average", step)
    best_step = training.devices.of_chief(run.restore_best())
    if best_step == step:  # they have just been measured
        results["best"] = results["average" if cfg.EMA else "last"]
    elif best_step is not None:
        training.devices.broadcast(training.network.variables)
        results["best"] = tested("best", best_step)
    return results


def in_words(name: str, result: dict) -> str:
    """Returns the line about a result: accuracy and error rate first, then the network's terms."""
    accuracy = result["accuracy"]
    words = [f"accuracy {accuracy:.4%}", f"error rate {1 - accuracy:.4%}"]
    words += [f"{key} {value:.5g}" for key, value in result.items()
              if key not in ("step", "loss", "accuracy")]
    return f"test, {name} checkpoint (step {result['step']}): {', '.join(words)}"
