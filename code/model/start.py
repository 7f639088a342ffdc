"""How the weights of a CapsNet begin, `--init`. The paper does not say."""
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import tensorflow as tf

Initializer = tf.keras.initializers.Initializer


class Start(NamedTuple):
    """What each layer begins with. Each call makes an initializer with a seed of its own."""
    conv1: Callable[[], Initializer]     # kernel of the first convolution
    primary: Callable[[], Initializer]   # kernel of the primary capsules
    W: Callable[[], Initializer]         # routing weights
    dense: Callable[[], Initializer]     # kernels of the decoder
    bias: float = 0.0                    # every bias
    primary_divisor: float = 1.0         # divides the primary capsules' convolution, always
    class_bias: bool = False             # whether class capsules have a bias [J, E]


def start_of(name: str) -> Start:
    """Returns the start called `name`.

    keras     Keras' default for convolutions and the decoder (Glorot and Bengio 2010), and the
              authors' routing weights. Class capsules of MNIST begin about 0.0002 long.
    authors   Of the authors' code, Sarasra/models, research/capsules: truncated normals, a bias of
              0.1 everywhere, also in the class capsules, and primary capsules of conv / 32 + bias.
    small     Routing weights so small that training soon outgrows them, as in the ports that err
              least on MNIST, and convolutions by He et al. 2015 (equation 10), so that signals do
              not fade on their way to the capsules. It needs a warm-up.
    """
    normal = tf.keras.initializers.TruncatedNormal
    glorot = tf.keras.initializers.GlorotUniform
    # The variance is 2 / fan-in. Our kernels are [k, k, filters, C], so the inputs of a filter are
    # what Keras calls fan-out.
    he = partial(tf.keras.initializers.VarianceScaling, 2.0, "fan_out", "uniform")
    starts = {
        "keras": Start(glorot, glorot, partial(normal, stddev=0.1), glorot),
        "authors": Start(partial(normal, stddev=0.05), partial(normal, stddev=0.1),
                         partial(normal, stddev=0.1), partial(normal, stddev=0.1),
                         bias=0.1, primary_divisor=32.0, class_bias=True),
        "small": Start(he, he, partial(normal, stddev=0.01), glorot),
    }
    return starts[name]
