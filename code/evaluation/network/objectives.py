"""What an attack climbs towards a target, or descends away from a label, for given images.

Each takes the network, images [B, H, W, C], the network's Output of them and classes [B], and
returns [B].
"""
import math

import tensorflow as tf

from model import capsules
from model.network import Network, Output


def length(network: Network, images: tf.Tensor, output: Output, classes: tf.Tensor) -> tf.Tensor:
    """Returns the length of that class's capsule; its logit if a network has no capsules."""
    return tf.gather(output.scores, classes, batch_dims=1)


def margin(network: Network, images: tf.Tensor, output: Output, classes: tf.Tensor) -> tf.Tensor:
    """Returns by how much that capsule is longer than the longest other one (Carlini, Wagner 2017).

    It is above 0 where that class is predicted.
    """
    mine = tf.one_hot(classes, output.scores.shape[1], on_value=True, off_value=False)
    others = tf.where(mine, -math.inf, output.scores)                          # [B, J]
    return length(network, images, output, classes) - tf.reduce_max(others, axis=1)


def log_probability(network: Network, images: tf.Tensor, output: Output,
                    classes: tf.Tensor) -> tf.Tensor:
    """Returns the logarithm of that class's softmax over all scores, so every class counts."""
    return tf.gather(tf.nn.log_softmax(output.scores), classes, batch_dims=1)


def unrouted_margin(network: Network, images: tf.Tensor, output: Output,
                    classes: tf.Tensor) -> tf.Tensor:
    """Returns the margin that the class capsules would have without routing (Gu, Wu, Tresp 2021).

    All votes count the same, as in a single routing iteration without a trained prior. So the
    gradient goes through none.
    """
    v = network.encode_unrouted(images)                                        # [B, J, E]
    return margin(network, images, Output(capsules.length(v)), classes)


def towards_reconstruction_aware(network: Network, images: tf.Tensor, output: Output,
                                 classes: tf.Tensor, threshold: float) -> tf.Tensor:
    """Returns a value above 0 if that class is predicted and the detector is silent.

    The margin must be above 0, and the distance below the threshold. The smaller of the two values
    decides, so the gradient is that of the condition which is farther from being met (Qin, Frosst
    and others 2020 take turns instead). The distance is divided by the threshold, because a margin
    is at most 1 and a distance is several pixels.
    """
    return tf.minimum(margin(network, images, output, classes),
                      1 - reconstruction_distance(images, output) / threshold)


def away_reconstruction_aware(network: Network, images: tf.Tensor, output: Output,
                              classes: tf.Tensor, threshold: float) -> tf.Tensor:
    """Returns a value below 0 if another class is predicted and the detector is silent."""
    return tf.maximum(margin(network, images, output, classes),
                      reconstruction_distance(images, output) / threshold - 1)


def reconstruction_distance(images: tf.Tensor, output: Output) -> tf.Tensor:
    """Returns the L2 distance [B] of each image from what its longest capsule draws."""
    squares = tf.square(images - output.reconstruction[:, 0])                  # [B, H, W, C]
    return tf.sqrt(tf.reduce_sum(squares, axis=[1, 2, 3]) + capsules.EPSILON)
