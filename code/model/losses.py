"""The two losses of the paper, for each image. A training step takes their mean over the batch."""
import tensorflow as tf


def margin_loss(lengths: tf.Tensor, targets: tf.Tensor, m_pos: float, m_neg: float,
                weight: float) -> tf.Tensor:
    """Returns equation 4 [B], summed over the classes. Several classes may be present.

    A class that is present should be at least m+ long, an absent one at most m-.

    lengths [B, J]: of the class capsules; targets [B, J]: T, 1 where a class is present, otherwise
    0; m_pos, m_neg: m+ and m-; weight: lambda, of the absent classes
    """
    too_short = tf.maximum(0.0, m_pos - lengths)                               # [B, J]
    too_long = tf.maximum(0.0, lengths - m_neg)                                # [B, J]
    present = targets * tf.square(too_short)
    absent = weight * (1 - targets) * tf.square(too_long)
    return tf.reduce_sum(present + absent, axis=-1)


def reconstruction_loss(sources: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """Returns the squared error [B] of section 4.1, summed over labels, pixels and channels.

    sources [B, K, H, W, C] in [0, 1]: for each of K labels its digit without the others
    reconstruction: the same shape, what the decoder makes of each label's capsule
    """
    return tf.reduce_sum(tf.square(sources - reconstruction), axis=[1, 2, 3, 4])
