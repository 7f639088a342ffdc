"""Dynamic routing with max-min normalisation in place of the softmax (Zhao, Kleinhans, Sandhu,
Patel, Unnikrishnan 2019, arXiv 1903.09662).

A softmax leaves the couplings nearly uniform. Here those of a primary capsule span 0 to 1 whatever
the size of its logits:

    c_ij = (b_ij - min_j b_ij) / (max_j b_ij - min_j b_ij)

Where the logits are equal, as before the first update, c_ij is 1. The rest is Procedure 1. It needs
a warm-up: without one, nearly all of the first convolution dies in the first steps.
"""
import tensorflow as tf

from model.capsules import EPSILON, squash
from model.routing import agree, class_bias, weigh
from model.routings import Routing
from settings import Setting, at_least

SETTINGS = {
    "MAX_MIN_ITERS": Setting(
        3, "routing iterations of --routing max_min", "Zhao 2019", at_least(1)),
}


class MaxMin(Routing):
    """Its gradient goes through every iteration, by automatic differentiation."""
    ITERATIONS = "MAX_MIN_ITERS"

    def couplings(self, u_hat, layer):
        bias = class_bias(u_hat, layer.bias)[..., None]                 # [J, E, 1]
        b = tf.zeros_like(u_hat[:, :, 0])                               # [I, J, B]
        found = [tf.ones_like(b)]
        for _ in range(self.cfg.MAX_MIN_ITERS - 1):
            v = squash(weigh(found[-1], u_hat) + bias, axis=1)          # [J, E, B]
            b += agree(u_hat, v)                                        # [I, J, B]
            found.append(normalise(b))
        return found


def normalise(b: tf.Tensor) -> tf.Tensor:
    """Scales the logits of each primary capsule to 0 to 1. b [I, J, B] -> c [I, J, B]"""
    low, high = (extreme(b, axis=1, keepdims=True) for extreme in (tf.reduce_min, tf.reduce_max))
    return tf.where(high > low, (b - low) / (high - low + EPSILON), 1.0)


build = MaxMin
