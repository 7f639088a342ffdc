"""What an attack climbs, as a function of the images.

Each takes the images [B, H, W, C], the network's Output and classes [B], and returns [B].
"""
import math

import tensorflow as tf

from model.network import Output


def length(images: tf.Tensor, output: Output, classes: tf.Tensor) -> tf.Tensor:
    """The length of that class's capsule; its logit, where a network has no capsules."""
    return tf.gather(output.scores, classes, batch_dims=1)


def margin(images: tf.Tensor, output: Output, classes: tf.Tensor) -> tf.Tensor:
    """By how much that capsule is longer than the longest other one.

    It is above 0 where that class is predicted.
    """
    mine = tf.one_hot(classes, output.scores.shape[1], on_value=True, off_value=False)
    others = tf.where(mine, -math.inf, output.scores)                          # [B, J]
    return length(images, output, classes) - tf.reduce_max(others, axis=1)
