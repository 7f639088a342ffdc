"""The rows of the benchmark's table: what is timed, by settings alone."""
import fnmatch
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One row: how it differs from the default step."""
    settings: dict = field(default_factory=dict)      # of config.TRAIN
    side: int = 28                                    # height and width of the images, in pixels
    labels: int = 1                                   # of each image: the decoder runs for each
    environment: dict = field(default_factory=dict)   # variables, before TensorFlow is imported


DEFAULT = Row()
DIRECT = Row({"CONV_WAY": "direct", "JIT": "off"})
# Procedure 1 as one writes it first, with TensorFlow's own convolution, gradient and memory.
NAIVE = Row({"CONV_WAY": "direct", "JIT": "off", "ROUTING_WAY": "plain"},
            environment={"TF_CPU_ALLOCATOR_USE_BFC": "0"})

HEADLINE = {"default": DEFAULT, "direct": DIRECT, "naive": NAIVE}


def implementations() -> dict[str, Row]:
    """-> a row for each way to compute the same step."""
    table = {}
    for conv in ("fourier", "direct"):
        for jit in ("on", "off"):
            for routing in ("dynamic", "static"):
                settings = {"CONV_WAY": conv, "JIT": jit, "ROUTING_WAY": routing}
                table[f"{conv}, jit {jit}, {routing}"] = Row(settings)
    return table


def growth() -> dict[str, Row]:
    """-> rows of growing batches, routing iterations and images.

    `auto` chooses a convolution by the size of the batch: the rows beside it show what it chose
    from.
    """
    table = {}
    for size in (1, 4, 8, 16, 32, 100, 256, 512):
        table[f"batch {size}"] = Row({"BATCH_SIZE": size})
        table[f"batch {size}, direct"] = Row({"BATCH_SIZE": size, "CONV_WAY": "direct"})
        if size <= 32:  # `auto` takes it for larger ones on a CPU
            table[f"batch {size}, fourier"] = Row({"BATCH_SIZE": size, "CONV_WAY": "fourier"})
    for iterations in range(1, 6):
        table[f"{iterations} routing iterations"] = Row({"ROUTING_ITERS": iterations})
    for side in (28, 36, 40, 48):
        table[f"{side} x {side} pixels"] = Row(side=side)
    table["multimnist"] = Row({"CNN_LAYERS": "multimnist"}, side=36, labels=2)
    return table


def rows(quick: bool = False, pattern: str = "*") -> dict[str, Row]:
    """-> the rows of the table by name, in order.

    quick: only the headline. pattern: only names that match it, with * for any text as in a shell.
    """
    table = HEADLINE if quick else {**HEADLINE, **implementations(), **growth()}
    return {name: row for name, row in table.items() if fnmatch.fnmatchcase(name, pattern)}
