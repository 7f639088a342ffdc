"""The two losses of the paper, per image; train_step takes the mean over the batch."""
import tensorflow as tf


def margin_loss(lengths, targets, m_pos, m_neg, lam):
    """Equation 4, summed over classes. Each class has its own term, so that several may be present in one image.

    lengths [B, J] of the class capsules; targets [B, J], 1 where the class is present, else 0 -> [B]
    """
    present = targets * tf.square(tf.maximum(0.0, m_pos - lengths))
    absent = lam * (1 - targets) * tf.square(tf.maximum(0.0, lengths - m_neg))
    return tf.reduce_sum(present + absent, axis=-1)


def reconstruction_loss(images, reconstruction):
    """Section 4.1: the squared error summed over all pixels and channels. Both [B, H, W, C] in [0, 1] -> [B]"""
    return tf.reduce_sum(tf.square(images - reconstruction), axis=[1, 2, 3])


def losses(output, images, labels, cfg):
    """-> (total, margin, reconstruction), each [B]; total = margin + RECONSTRUCT_W * reconstruction.

    output: what CapsNet returns for `images` [B, H, W, C]; labels [B] class indices.
    """
    targets = tf.one_hot(labels, output.lengths.shape[1])
    margin = margin_loss(output.lengths, targets, cfg.M_POS, cfg.M_NEG, cfg.LAMBDA)
    reconstruction = reconstruction_loss(images, output.reconstruction)
    return margin + cfg.RECONSTRUCT_W * reconstruction, margin, reconstruction
