"""The equations of "Dynamic Routing Between Capsules" (Sabour, Frosst, Hinton 2017), as written.

Letters, here and in the network: B images, I primary capsules of D dimensions, J class capsules of
E dimensions. `--routing_way plain` computes the routing with this file. routing.py computes the
same numbers several times faster.
"""
import tensorflow as tf

EPSILON = 1e-9  # inside every root, so that a capsule of length zero has a finite gradient


def squash(s: tf.Tensor, axis: int = -1) -> tf.Tensor:
    """Equation 1: keeps the direction of s, and maps its length n to n^2 / (1 + n^2).

    s: capsules along `axis`. -> the same shape
    """
    n2 = tf.reduce_sum(tf.square(s), axis=axis, keepdims=True)
    return s * (n2 * tf.math.rsqrt(n2 + EPSILON)) / (1 + n2)


def length(v: tf.Tensor) -> tf.Tensor:
    """The length ||v|| of the capsules along the last axis: how probable their entity is."""
    return tf.sqrt(tf.reduce_sum(tf.square(v), axis=-1) + EPSILON)


def votes(u: tf.Tensor, W: tf.Tensor) -> tf.Tensor:
    """Equation 2, right: u_hat_j|i = W_ij u_i, each primary capsule's vote for each class capsule.

    u [B, I, D], W [I, D, J, E] -> [B, I, J, E]
    """
    return tf.einsum("bid,idje->bije", u, W)


def couple(b: tf.Tensor, none_of_the_above: bool = False) -> tf.Tensor:
    """Equation 3: the coupling coefficients c_i, a softmax over the classes.

    b [B, I, J] -> c [B, I, J]. none_of_the_above (section 7): over one more class, with the logit
    0, which gets no capsule.
    """
    if none_of_the_above:
        b = tf.pad(b, [[0, 0], [0, 0], [0, 1]])             # [B, I, J + 1]
        return tf.nn.softmax(b, axis=-1)[..., :-1]
    return tf.nn.softmax(b, axis=-1)


def weigh(c: tf.Tensor, u_hat: tf.Tensor) -> tf.Tensor:
    """Equation 2, left: s_j = sum over i of c_ij u_hat_j|i.

    c [B, I, J], u_hat [B, I, J, E] -> s [B, J, E]
    """
    return tf.reduce_sum(c[..., None] * u_hat, axis=1)


def agree(u_hat: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """The agreement a_ij = u_hat_j|i . v_j. u_hat [B, I, J, E], v [B, J, E] -> [B, I, J]"""
    return tf.reduce_sum(u_hat * v[:, None], axis=-1)


def route(u_hat: tf.Tensor, iterations: int, prior: tf.Tensor | None = None,
          bias: tf.Tensor | None = None, none_of_the_above: bool = False) -> tf.Tensor:
    """Procedure 1, routing by agreement. u_hat [B, I, J, E] -> v [B, J, E]

    prior [I, J]: the initial logits of every image, zero if None. bias [J, E]: is added to s in
    every iteration, as in the authors' code; None: equation 2 has none. none_of_the_above: see
    `couple`. r iterations have r softmaxes and r - 1 updates of the logits: no softmax would read
    another update. The gradient, TensorFlow's own, goes through every iteration.
    """
    def class_capsules(b):
        c = couple(b, none_of_the_above)                    # [B, I, J]     line 4 of the procedure
        s = weigh(c, u_hat)                                 # [B, J, E]     line 5
        s = s if bias is None else s + bias
        return squash(s)                                    # [B, J, E]     line 6

    def iterate(n, b):
        return n + 1, b + agree(u_hat, class_capsules(b))   # [B, I, J]     line 7

    b = tf.zeros_like(u_hat[..., 0])                        # [B, I, J]     line 2
    b = b if prior is None else b + prior
    updates = iterations - 1
    _, b = tf.while_loop(lambda n, b: n < updates, iterate, (0, b),
                         maximum_iterations=max(1, updates))  # XLA refuses 0, even for no update
    return class_capsules(b)


def mask(v: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """Section 4.1: sets every capsule except the chosen one to zero.

    v [B, J, E], `chosen` [B] class indices -> [B, J, E]
    """
    return v * tf.one_hot(chosen, v.shape[1], dtype=v.dtype)[..., None]
