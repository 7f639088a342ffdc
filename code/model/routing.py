"""Routing by agreement as in capsules.py, with the same gradients, several times faster.

Two things make it fast:

1. *The batch comes last.* With votes [I, J, E, B], the sums over i and over e are vector operations
   over the images. No large array is ever transposed.
2. *The gradient is written out.* TensorFlow's own reads and writes arrays as large as the votes in
   every iteration. Ours keeps only the small c and s of each iteration, and sums the gradient of
   the votes once, at the end.

`--routing_way dynamic` runs the iterations as a tf.while_loop, `static` writes them out one after
the other.
"""
import math
from typing import NamedTuple

import tensorflow as tf

from model.capsules import EPSILON, squash


class Iteration(NamedTuple):
    """What the gradient needs of one iteration."""
    c: tf.Tensor    # [I, J, B] coupling coefficients
    s: tf.Tensor    # [J, E, B] class capsules before they are squashed


def route(u_hat: tf.Tensor, iterations: int, way: str = "dynamic",
          prior: tf.Tensor | None = None, bias: tf.Tensor | None = None,
          none_of_the_above: bool = False) -> tf.Tensor:
    """Procedure 1, as in capsules.py. u_hat [I, J, E, B] -> v [B, J, E]

    way: "dynamic" (tf.while_loop) or "static" (unrolled).
    """
    @tf.custom_gradient
    def procedure(u_hat, b, bias):
        history = forward(u_hat, b, bias, iterations, way, none_of_the_above,
                          all_zero=prior is None)
        v = squash(history[-1].s, axis=1)                               # [J, E, B]
        return v, lambda dv: backward(u_hat, history, dv)

    b = initial_logits(u_hat, prior)                                    # [I, J, B]
    bias = class_bias(u_hat, bias)                                      # [J, E]
    v = procedure(u_hat, b, bias)                                       # [J, E, B]
    return tf.transpose(v, [2, 0, 1])                                   # [B, J, E]


def couplings(u_hat: tf.Tensor, iterations: int, prior: tf.Tensor | None = None,
              bias: tf.Tensor | None = None,
              none_of_the_above: bool = False) -> list[tf.Tensor]:
    """Returns the coupling coefficients of each iteration, c [I, J, B]. u_hat [I, J, E, B]"""
    b, bias = initial_logits(u_hat, prior), class_bias(u_hat, bias)
    history = forward(u_hat, b, bias, iterations, "static", none_of_the_above,
                      all_zero=prior is None)
    return [iteration.c for iteration in history]


def initial_logits(u_hat: tf.Tensor, prior: tf.Tensor | None) -> tf.Tensor:
    """The logits before the first iteration: the prior [I, J], zero if None. -> b [I, J, B]"""
    b = tf.zeros_like(u_hat[:, :, 0])
    return b if prior is None else b + prior[..., None]


def class_bias(u_hat: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
    """The bias [J, E] as a tensor, zero if None."""
    return tf.zeros(u_hat.shape[1:3]) if bias is None else tf.convert_to_tensor(bias)


# ---- the steps of an iteration, batch last ----

def votes(u: tf.Tensor, W: tf.Tensor) -> tf.Tensor:
    """Equation 2, right: one product of matrices for each primary capsule.

    u [B, I, D], W [I, D, J, E] -> u_hat [I, J, E, B]
    """
    I, D, J, E = W.shape
    W = tf.transpose(tf.reshape(W, [I, D, J * E]), [0, 2, 1])           # [I, J E, D]
    u_hat = tf.matmul(W, tf.transpose(u, [1, 2, 0]))                    # [I, J E, B]
    return tf.reshape(u_hat, [I, J, E, -1])


def couple(b: tf.Tensor, none_of_the_above: bool = False) -> tf.Tensor:
    """Equation 3: a softmax over the classes. b [I, J, B] -> c [I, J, B]

    It is written out because tf.nn.softmax would transpose b twice, to have the classes last.
    none_of_the_above (section 7): over one more class, with the logit 0, which gets no capsule.
    """
    most = tf.reduce_max(b, axis=1, keepdims=True)                      # [I, 1, B]
    if none_of_the_above:
        most = tf.maximum(most, 0.0)
    e = tf.exp(b - most)
    total = tf.reduce_sum(e, axis=1, keepdims=True)
    if none_of_the_above:
        total += tf.exp(-most)
    return e / total


def weigh(c: tf.Tensor, u_hat: tf.Tensor) -> tf.Tensor:
    """Equation 2, left. c [I, J, B], u_hat [I, J, E, B] -> s [J, E, B]

    I is divided into 8, 6, 4, 3, 2 or 1 equal parts. They are added to each other first, then what
    is left is summed. XLA makes vector code of that, which it cannot make of one long sum.
    """
    I, J, E, _ = u_hat.shape
    parts = next(n for n in (8, 6, 4, 3, 2, 1) if I % n == 0)           # the first that divides I
    c = tf.reshape(c, [parts, I // parts, J, 1, -1])
    u_hat = tf.reshape(u_hat, [parts, I // parts, J, E, -1])
    return tf.reduce_sum(sum(c[n] * u_hat[n] for n in range(parts)), axis=0)


def agree(u_hat: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """The agreement. u_hat [I, J, E, B], v [J, E, B] -> [I, J, B]"""
    return tf.reduce_sum(u_hat * v, axis=2)


def entropy(c: tf.Tensor) -> tf.Tensor:
    """Returns the entropy of couplings c [I, J, B], as a fraction of ln J: 1 is uniform. -> [I, B]

    Of some routings the sum over the classes is not 1, or a coupling is negative. So each primary
    capsule's are divided by their sum, and negative ones count as 0.
    """
    c = tf.maximum(c, 0.0)
    c = tf.math.divide_no_nan(c, tf.reduce_sum(c, axis=1, keepdims=True))
    return -tf.reduce_sum(tf.math.xlogy(c, c), axis=1) / math.log(c.shape[1])


# ---- all iterations, forward and backward ----

def forward(u_hat: tf.Tensor, b: tf.Tensor, bias: tf.Tensor, iterations: int, way: str,
            none_of_the_above: bool, all_zero: bool) -> list[Iteration]:
    """Returns c and s of every iteration. The result of the routing is squash(s) of the last one.

    u_hat [I, J, E, B]; b [I, J, B]: the initial logits; all_zero: whether all are 0; bias [J, E]
    """
    def iterate(n, b, cs, ss):
        c = couple(b, none_of_the_above)                                # [I, J, B]
        s = weigh(c, u_hat) + bias[..., None]                           # [J, E, B]
        b += agree(u_hat, squash(s, axis=1))                            # [I, J, B]
        return n + 1, b, cs.write(n, c), ss.write(n, s)

    # the r - 1 iterations that update the logits
    updates = iterations - 1
    cs, ss = (tf.TensorArray(b.dtype, updates) for _ in range(2))
    state = 0, b, cs, ss
    if way == "static":
        for _ in range(updates):
            state = iterate(*state)
    elif updates:  # XLA compiles no loop of at most zero iterations
        state = tf.while_loop(lambda n, *_: n < updates, iterate, state, maximum_iterations=updates)
    _, b, cs, ss = state

    # The last iteration does not update the logits: nothing would read them.
    if all_zero and not updates:  # noqa: SIM108
        # c is 1 / J for every image. XLA computes such constants while it compiles, and large ones
        # very slowly. So c is computed for one image, and adding zeros copies it to all B.
        c = couple(b[..., :1], none_of_the_above) + tf.zeros_like(b)
    else:
        c = couple(b, none_of_the_above)
    last = Iteration(c, weigh(c, u_hat) + bias[..., None])
    return [Iteration(cs.read(n), ss.read(n)) for n in range(updates)] + [last]


def backward(u_hat: tf.Tensor, history: list[Iteration],
             dv: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The gradients of a loss: dv [J, E, B] -> du_hat [I, J, E, B], db [I, J, B], dbias [J, E]

    dx is the gradient with respect to x. What one iteration computes, and beside each line its
    gradients, which are computed from the last line to the first:

        c = softmax(b)               db += softmax_gradient(c, dc)
        s_j = sum_i c_ij u_hat_ij    dc_ij = u_hat_ij . ds_j        du_hat_ij += c_ij ds_j
              + bias_j               dbias_j += ds_j
        v = squash(s)                ds = squash_gradient(s, dv)
        b_ij += u_hat_ij . v_j       dv_j = sum_i db_ij u_hat_ij    du_hat_ij += db_ij v_j

    The last iteration does not update b. Its dv is given.
    """
    # The last iteration, whose v is the result.
    *earlier, (c, s) = history
    ds = squash_gradient(s, dv, axis=1)                                 # [J, E, B]
    dc = agree(u_hat, ds)                                               # [I, J, B]
    du_hat_terms = [c[:, :, None] * ds]                                 # to be summed in one pass
    db = softmax_gradient(c, dc)                                        # [I, J, B]
    dbias = ds                                                          # [J, E, B]

    # Those before, from the latest to the first.
    for c, s in reversed(earlier):
        dv = weigh(db, u_hat)                                           # [J, E, B]
        ds = squash_gradient(s, dv, axis=1)                             # [J, E, B]
        dc = agree(u_hat, ds)                                           # [I, J, B]
        du_hat_terms += [db[:, :, None] * squash(s, axis=1), c[:, :, None] * ds]
        db += softmax_gradient(c, dc)                                   # [I, J, B]
        dbias += ds                                                     # [J, E, B]
    return sum(du_hat_terms), db, tf.reduce_sum(dbias, axis=-1)


def squash_gradient(s: tf.Tensor, dv: tf.Tensor, axis: int) -> tf.Tensor:
    """dv, the gradient with respect to v = squash(s) -> that with respect to s, of the same shape.

    Let n2 = |s|^2 and r = 1 / sqrt(n2 + EPSILON). Then v = g s with g = n2 r / (1 + n2), and

        ds = g dv + 2 g' (s . dv) s,   2 g' = r (2 - n2 r^2 - 2 n2 / (1 + n2)) / (1 + n2)

    where g' = dg / d(n2).
    """
    n2 = tf.reduce_sum(tf.square(s), axis=axis, keepdims=True)
    r = tf.math.rsqrt(n2 + EPSILON)
    s_dot_dv = tf.reduce_sum(s * dv, axis=axis, keepdims=True)
    radial = s_dot_dv * r * (2 - n2 * r * r - 2 * n2 / (1 + n2))        # 2 g' (s . dv) (1 + n2)
    return (n2 * r * dv + radial * s) / (1 + n2)


def softmax_gradient(c: tf.Tensor, dc: tf.Tensor) -> tf.Tensor:
    """From dc, the gradient with respect to c = couple(b), the gradient with respect to b.

    All [I, J, B]. It is the same with one more class, whose c nothing reads.
    """
    return c * (dc - tf.reduce_sum(c * dc, axis=1, keepdims=True))
