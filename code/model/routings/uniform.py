"""No routing: every vote counts the same, with the coupling 1 / J."""
import tensorflow as tf

from model.routings import Routing


class Uniform(Routing):
    """Dynamic routing with one iteration, without its softmax."""

    def couplings(self, u_hat, layer):
        return [tf.zeros_like(u_hat[:, :, 0]) + 1 / u_hat.shape[1]]     # [I, J, B]

    def __call__(self, u, layer):
        return layer.unrouted(u)                                        # without any votes


build = Uniform
