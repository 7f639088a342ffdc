"""What routing does with the votes of a trained network: its logits, its couplings, who agrees.

Letters as in model/routings: B images, I primary capsules, J class capsules of E dimensions; the
batch is last.
"""
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from evaluation.network.predictor import Predictor
from model import routing
from model.capsules import length
from model.network import Network
from model.routings import Routing
from output import progress

BATCH = 50  # images at once: the votes of 100 on 36 x 36 pixels take 200 MB
MOST = 10   # iterations for the change of the logits, and of the error


class Couplings(NamedTuple):
    """What was measured of N images."""
    logit_change: np.ndarray      # [N, MOST], |u_hat . v|, what each iteration adds to a logit or,
                                  # if it is the last one, would add; mean over I and J. [N, 1] of
                                  # a routing without iterations
    entropy: np.ndarray           # [N], of the last couplings, as a fraction of ln J; each primary
                                  # capsule's are first divided by their sum, negative ones are 0
    entropy_of_votes: np.ndarray  # [N], the same, weighted by the lengths of the votes
    half: np.ndarray              # [N], primary capsules that carry half of the predicted class
    to_predicted: np.ndarray      # [I], coupling to the predicted class, mean over the images
    # Mean cosine of the votes, weighted by their lengths, with the class capsule of the label (of
    # two labels, the mean of both) and with the longest one that is no label's, [N, 2]: by uniform
    # couplings, and after routing.
    before: np.ndarray
    after: np.ndarray


def routings(predictor: Predictor) -> dict[int, Routing]:
    """Returns the network's routing with 1 to MOST iterations; nothing if it has no iterations."""
    own, trained = predictor.network.digit_caps.routing, predictor.trained
    counts = range(1, MOST + 1) if own.ITERATIONS else ()
    return {count: type(own)(trained.changed(**{own.ITERATIONS: count})) for count in counts}


def measure(predictor: Predictor, images: np.ndarray, labels: np.ndarray) -> Couplings:
    """Measures images [N, H, W, C] in [0, 1] with labels [N, K]."""
    network = predictor.network
    long = routings(predictor).get(MOST, network.digit_caps.routing)
    parts = [of_batch(network.digit_caps, u, labels[piece], long)
             for u, piece in primary_capsules(network, images, "routing")]
    found = Couplings(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return found._replace(to_predicted=found.to_predicted.mean(axis=0))


def primary_capsules(network: Network, images: np.ndarray,
                     title: str) -> Iterator[tuple[tf.Tensor, slice]]:
    """Yields the primary capsules [B, I, D] of a batch, and which of the images it has."""
    for start in progress(range(0, len(images), BATCH), title):
        piece = slice(start, start + BATCH)
        yield network.primary_caps(network.conv1(images[piece])), piece


def of_batch(layer, u: tf.Tensor, labels: np.ndarray, long: Routing) -> Couplings:
    """Measures a batch: primary capsules u [B, I, D], labels [B, K]. `to_predicted` is [B, I].

    long: the routing of which the change of the logits is measured
    """
    u_hat = routing.votes(u, layer.W)                                          # [I, J, E, B]
    bias = routing.class_bias(u_hat, layer.bias)[..., None]                    # [J, E, 1]
    squash = layer.routing.squash
    change = long.logit_changes(u_hat, long.couplings(u_hat, layer), layer)    # [B, MOST]

    # how uniform the last couplings are
    c = layer.routing.couplings(u_hat, layer)[-1]                              # [I, J, B]
    v = squash(routing.weigh(c, u_hat) + bias, axis=1)                         # [J, E, B]
    entropy = routing.entropy(c)                                               # [I, B]
    lengths = tf.sqrt(tf.reduce_sum(tf.square(u_hat), axis=2))                 # [I, J, B]
    weight = tf.reduce_sum(lengths, axis=1)                                    # [I, B]
    weighted = tf.reduce_sum(entropy * weight, axis=0) / tf.reduce_sum(weight, axis=0)

    # who makes the predicted class capsule: the fewest votes whose parts along it are half of all
    scores = length(tf.transpose(v, [2, 0, 1])).numpy()                        # [B, J]
    predicted = scores.argmax(axis=1)                                          # [B]
    to_predicted = of_class(c, predicted)                                      # [B, I]
    along = of_class(c * routing.agree(u_hat, v), predicted)                   # [B, I]
    largest_first = -np.sort(-along, axis=1)
    half = (np.cumsum(largest_first, axis=1) < largest_first.sum(1, keepdims=True) / 2).sum(1) + 1

    # how well votes agree with the class capsules of the labels, and of the longest other class
    of_others = scores.copy()
    np.put_along_axis(of_others, labels, -1.0, axis=1)
    other = of_others.argmax(axis=1)                                           # [B]
    even = squash(tf.reduce_sum(u_hat, axis=0) / c.shape[1] + bias, axis=1)    # [J, E, B]
    cosines = []
    for capsules in (even, v):
        of_labels = [agreement(u_hat, lengths, capsules, label) for label in labels.T]
        wrong = agreement(u_hat, lengths, capsules, other)
        cosines.append(np.stack([np.mean(of_labels, axis=0), wrong], axis=1))  # [B, 2]
    return Couplings(change.numpy(), tf.reduce_mean(entropy, axis=0).numpy(),
                     weighted.numpy(), half, to_predicted, *cosines)


def agreement(u_hat: tf.Tensor, lengths: tf.Tensor, v: tf.Tensor,
              classes: np.ndarray) -> np.ndarray:
    """Returns the mean cosine [B] of the votes for one class of each image and its capsule.

    Votes count with their lengths [I, J, B], so it is sum_i u_hat . v / (sum_i |u_hat| |v|).
    """
    along = of_class(routing.agree(u_hat, v), classes).sum(axis=1)             # [B]
    total = of_class(lengths, classes).sum(axis=1)
    capsules = tf.sqrt(tf.reduce_sum(tf.square(v), axis=1)).numpy()            # [J, B]
    return along / (total * capsules[classes, np.arange(len(classes))] + 1e-12)


def of_class(values: tf.Tensor, classes: np.ndarray) -> np.ndarray:
    """Takes one class for each image: values [I, J, B], classes [B] -> [B, I]"""
    return values.numpy()[:, classes, np.arange(len(classes))].T
