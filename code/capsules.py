"""The equations of "Dynamic Routing Between Capsules" (Sabour, Frosst, Hinton 2017), as pure functions.

Shapes, here and everywhere: B images in a batch, I primary capsules of D dimensions, J class capsules of E dimensions.
"""
import tensorflow as tf

EPSILON = 1e-9  # inside every root: the length of a zero capsule has no gradient, and its direction no value


def squash(s, axis=-1):
    """Equation 1: keeps the direction of s and maps its length n to n^2 / (1 + n^2), between 0 and 1. Same shape."""
    n2 = tf.reduce_sum(tf.square(s), axis=axis, keepdims=True)
    return s * (n2 / (1 + n2) * tf.math.rsqrt(n2 + EPSILON))


def length(v, axis=-1):
    """The Euclidean length ||v|| of the capsules along `axis`: how probable it is that what they stand for is there."""
    return tf.sqrt(tf.reduce_sum(tf.square(v), axis=axis) + EPSILON)


def votes(u, W):
    """Equation 2, right: each primary capsule's prediction of each class capsule, u_hat_j|i = W_ij u_i.

    u [B, I, D], W [I, D, J, E] -> [B, I, J, E]
    """
    return tf.einsum("bid,idje->bije", u, W)


def route(u_hat, iterations, way="dynamic", prior=None):
    """Procedure 1, routing by agreement, differentiable through every iteration.

    u_hat [B, I, J, E]; `prior` [I, J]: initial logits, zero if None; `way`: "dynamic" (tf.while_loop) or "static".
    -> v [B, J, E], and the coupling coefficients c [B, I, J] that made it; each c_i sums to 1 over the classes (eq. 3).

    r iterations have r softmaxes and r - 1 updates of the logits: nothing would read the r-th.
    """
    b = tf.zeros_like(u_hat[..., 0])                          # [B, I, J]
    if prior is not None:
        b += prior

    def weigh(b):
        c = tf.nn.softmax(b, axis=-1)                         # eq. 3: over the classes J, for each i
        s = tf.reduce_sum(c[..., None] * u_hat, axis=1)       # [B, J, E], eq. 2, left
        return squash(s), c

    def agree(b):
        v, _ = weigh(b)
        return b + tf.reduce_sum(u_hat * v[:, None], axis=-1)  # agreement a_ij = u_hat_j|i . v_j

    if way == "static":
        for _ in range(iterations - 1):
            b = agree(b)
    elif iterations > 1:  # XLA does not compile a loop of at most zero iterations
        _, b = tf.while_loop(lambda n, _: n < iterations - 1, lambda n, b: (n + 1, agree(b)), (0, b),
                             maximum_iterations=iterations - 1)
    return weigh(b)


def mask(v, chosen):
    """v [B, J, E], `chosen` [B] class indices -> v with every other capsule set to zero (paper, sec. 4.1)."""
    return v * tf.one_hot(chosen, v.shape[1], dtype=v.dtype)[..., None]
