"""The two losses of the paper, for each image. A training step takes their mean over the batch."""
import tensorflow as tf


def margin_loss(lengths: tf.Tensor, targets: tf.Tensor, m_pos: float, m_neg: float,
                weight: float) -> tf.Tensor:
    """Equation 4, summed over the classes, of which several may be present. -> [B]

    lengths [B, J]: of the class capsules; targets [B, J]: 1 where a class is present, otherwise 0.
    m_pos, m_neg: the lengths m+, wanted of a class that is present, and m-, allowed to one that is
    absent; weight: lambda, of the absent classes.
    """
    present = targets * tf.square(tf.maximum(0.0, m_pos - lengths))                  # [B, J]
    absent = weight * (1 - targets) * tf.square(tf.maximum(0.0, lengths - m_neg))    # [B, J]
    return tf.reduce_sum(present + absent, axis=-1)


def reconstruction_loss(sources: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """Section 4.1: the squared error, summed over labels, pixels and channels.

    sources: for each of K labels its digit without the others; reconstruction: what the decoder
    makes of its capsule. Both [B, K, H, W, C] in [0, 1] -> [B]
    """
    return tf.reduce_sum(tf.square(sources - reconstruction), axis=[1, 2, 3, 4])
