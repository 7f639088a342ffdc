"""Routing by agreement, Procedure 1 of the paper.

capsules.py has it as the paper writes it, model/routing.py several times faster.
"""
from model import capsules, routing
from model.routings import Routing
from settings import SWITCH, Setting, at_least, one_of

SETTINGS = {
    "ROUTING_ITERS": Setting(
        3, "routing iterations r of --routing dynamic", "paper, sec. 4", at_least(1)),
    "ROUTING_WAY": Setting(
        "dynamic", "how to compute the routing: dynamic (tf.while_loop) and static (unrolled) have "
        "a fast gradient of their own, plain is Procedure 1 as the paper writes it",
        "original; paper, sec. 2", one_of(("dynamic", "static", "plain")), may_change=True),
    "PRIOR_TRAINING": Setting(
        False, "learn the initial routing logits b [I, J]", "original; paper, sec. 2", SWITCH),
    "NONE_OF_THE_ABOVE": Setting(
        False, "one more class in the softmax of the routing, with the logit 0, whose part of a "
        "vote goes nowhere", "paper, sec. 7, for CIFAR-10", SWITCH),
}


class Dynamic(Routing):
    """cfg.ROUTING_ITERS iterations, computed as cfg.ROUTING_WAY says."""
    ITERATIONS = "ROUTING_ITERS"

    def add_weights(self, layer):
        if self.cfg.PRIOR_TRAINING:
            I, _, J, _ = layer.W.shape
            layer.prior = layer.add_weight(name="prior", shape=(I, J), initializer="zeros")

    def couplings(self, u_hat, layer):
        return routing.couplings(u_hat, self.cfg.ROUTING_ITERS, layer.prior, layer.bias,
                                 self.cfg.NONE_OF_THE_ABOVE)

    def __call__(self, u, layer):
        cfg = self.cfg
        how = layer.prior, layer.bias, cfg.NONE_OF_THE_ABOVE
        if cfg.ROUTING_WAY == "plain":
            u_hat = capsules.votes(u, layer.W)                          # [B, I, J, E]
            return capsules.route(u_hat, cfg.ROUTING_ITERS, *how)
        u_hat = routing.votes(u, layer.W)                               # [I, J, E, B]
        return routing.route(u_hat, cfg.ROUTING_ITERS, cfg.ROUTING_WAY, *how)


build = Dynamic
