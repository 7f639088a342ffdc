"""Self-attention routing (Mazzia, Salvetti, Chiaberge 2021, Scientific Reports 11, 14634).

Votes for one class attend to each other: A_ikj = u_hat_ij . u_hat_kj / sqrt(E) for primary
capsules i and k. The couplings c_kj are a softmax over the classes of sum_i A_ikj, plus a learnt
prior b_kj. There are no iterations. The sum factorises, so no I x I matrix is ever made:

    sum_i A_ikj = (sum_i u_hat_ij) . u_hat_kj / sqrt(E)
"""
import math

import tensorflow as tf

from model.routing import agree, couple
from model.routings import Routing


class Attention(Routing):
    """One pass. --model efficient_capsnet, the paper's network, has a squash of its own."""

    def add_weights(self, layer):
        I, _, J, _ = layer.W.shape
        layer.prior = layer.add_weight(name="prior", shape=(I, J), initializer="zeros")

    def couplings(self, u_hat, layer):
        total = tf.reduce_sum(u_hat, axis=0)                            # [J, E, B]
        attention = agree(u_hat, total) / math.sqrt(u_hat.shape[2])     # [I, J, B]
        return [couple(attention) + layer.prior[..., None]]


build = Attention
