"""Routings: from the votes of primary capsules to class capsules. A file for each, found by name.

`build(cfg)` makes a Routing. A file may also have SETTINGS, flags of its own.

Letters as in capsules.py, the batch last as in model/routing.py: I primary capsules of D dims,
J class capsules of E dimensions, B images; votes u_hat [I, J, E, B], couplings c [I, J, B].
"""
import tensorflow as tf

from model import capsules
from model.routing import agree, class_bias, votes, weigh


class Routing:
    """A routing whose couplings are a function of the votes: subclasses say which.

    It is no layer, and its weights are those of `layer`, the DigitCaps that it belongs to: W
    [I, D, J, E], bias [J, E] or None, and what `add_weights` adds. cfg: settings of a training.
    """
    ITERATIONS: str | None = None  # the setting that is the number of iterations; None: one pass
    squash = staticmethod(capsules.squash)  # equation 1; a network with another one sets its own

    def __init__(self, cfg):
        self.cfg = cfg

    def add_weights(self, layer: tf.keras.layers.Layer):
        """Gives the layer the weights that the routing learns, by `layer.add_weight`."""

    def couplings(self, u_hat: tf.Tensor, layer) -> list[tf.Tensor]:
        """Returns the couplings of each iteration, the first one first. u_hat [I, J, E, B]"""
        raise NotImplementedError

    def logit_changes(self, u_hat: tf.Tensor, couplings: list[tf.Tensor], layer) -> tf.Tensor:
        """Returns what each of r iterations adds to a logit, or the last one would: |u_hat . v|.

        u_hat [I, J, E, B]; couplings: of each iteration [I, J, B] -> [B, r], the mean over I and J
        """
        bias, changes = class_bias(u_hat, layer.bias)[..., None], []
        for c in couplings:
            v = self.squash(weigh(c, u_hat) + bias, axis=1)             # [J, E, B]
            changes.append(tf.reduce_mean(tf.abs(agree(u_hat, v)), axis=[0, 1]))
        return tf.stack(changes, axis=1)

    def __call__(self, u: tf.Tensor, layer) -> tf.Tensor:
        """Returns the class capsules: the votes, weighed by the last couplings, squashed.

        u [B, I, D] -> v [B, J, E]. A subclass may compute the same faster.
        """
        u_hat = votes(u, layer.W)                                       # [I, J, E, B]
        c = self.couplings(u_hat, layer)[-1]                            # [I, J, B]
        s = weigh(c, u_hat) + class_bias(u_hat, layer.bias)[..., None]  # [J, E, B]
        return tf.transpose(self.squash(s, axis=1), [2, 0, 1])          # [B, J, E]
