"""The equations of "Dynamic Routing Between Capsules" (Sabour, Frosst, Hinton 2017), as pure functions.

Shapes, here and in the network: B images, I primary capsules of D dimensions, J class capsules of E dimensions.
Inside the routing the batch comes last: its sums over i and e are then vector operations over the images.
"""
import tensorflow as tf

EPSILON = 1e-9  # inside every root, so that a capsule of length zero has a finite gradient


def squash(s, axis=-1):
    """Equation 1: keeps the direction of s and maps its length n to n^2 / (1 + n^2), between 0 and 1. Same shape."""
    n2 = tf.reduce_sum(tf.square(s), axis=axis, keepdims=True)
    return s * (n2 * tf.math.rsqrt(n2 + EPSILON)) / (1 + n2)


def squash_gradient(s, dv, axis=-1):
    """What dv, the gradient of some loss by v = squash(s), is by s. Same shape.

    With v = g(n^2) s: ds = g dv + 2 g' (s . dv) s, where g = n / (1 + n^2) but for EPSILON.
    """
    n2 = tf.reduce_sum(tf.square(s), axis=axis, keepdims=True)
    r = tf.math.rsqrt(n2 + EPSILON)
    radial = tf.reduce_sum(s * dv, axis=axis, keepdims=True) * r * (2 - n2 * r * r - 2 * n2 / (1 + n2))
    return (n2 * r * dv + radial * s) / (1 + n2)


def length(v, axis=-1):
    """The Euclidean length ||v|| of the capsules along `axis`: how probable it is that what they stand for is there."""
    return tf.sqrt(tf.reduce_sum(tf.square(v), axis=axis) + EPSILON)


def votes(u, W):
    """Equation 2, right: each primary capsule's prediction of each class capsule, u_hat_j|i = W_ij u_i.

    u [B, I, D], W [I, D, J, E] -> [I, J, E, B]
    """
    I, D, J, E = W.shape
    W = tf.transpose(tf.reshape(W, [I, D, J * E]), [0, 2, 1])              # [I, J E, D]
    u_hat = tf.matmul(W, tf.transpose(u, [1, 2, 0]))                       # [I, J E, B]
    return tf.reshape(u_hat, [I, J, E, -1])


def couple(b):
    """Equation 3: coupling coefficients c_i, a softmax over the classes. b [I, J, B] -> c [I, J, B]

    Written out because tf.nn.softmax would transpose b twice, to have the classes last.
    """
    e = tf.exp(b - tf.reduce_max(b, axis=1, keepdims=True))
    return e / tf.reduce_sum(e, axis=1, keepdims=True)


def weigh(c, u_hat):
    """Equation 2, left: s_j = sum over i of c_ij u_hat_j|i. c [I, J, B], u_hat [I, J, E, B] -> s [J, E, B]

    The sum goes over I in a few parts side by side: XLA makes vector code of that, but not of one long sum.
    """
    I, J, E, _ = u_hat.shape
    parts = next(n for n in (8, 6, 4, 3, 2, 1) if I % n == 0)
    c, u_hat = tf.reshape(c, [parts, I // parts, J, 1, -1]), tf.reshape(u_hat, [parts, I // parts, J, E, -1])
    return tf.reduce_sum(sum(c[n] * u_hat[n] for n in range(parts)), axis=0)


def agree(u_hat, v):
    """The agreement a_ij = u_hat_j|i . v_j. u_hat [I, J, E, B], v [J, E, B] -> [I, J, B]"""
    return tf.reduce_sum(u_hat * v, axis=2)


def route(u_hat, iterations, way="dynamic", prior=None):
    """Procedure 1, routing by agreement. u_hat [I, J, E, B] -> v [B, J, E]

    prior [I, J]: the initial logits, zero if None. way: "dynamic" (tf.while_loop) or "static" (unrolled).
    r iterations have r softmaxes and r - 1 updates of the logits: nothing would read the r-th.

    The gradient goes through every iteration. It is written out because TensorFlow's own would read and write sums of
    the size of u_hat in every iteration of the loop; this one makes its result in one pass at the end. From the last
    iteration to the first, with ds = squash_gradient(s, dv) and db of all later iterations:

        du_hat += c ds + db v      db += softmax_gradient(c, u_hat . ds)      dv of the one before = weigh(db, u_hat)
    """
    @tf.custom_gradient
    def procedure(u_hat, b):
        def iterate(n, b, cs, ss):
            c = couple(b)
            s = weigh(c, u_hat)
            return n + 1, b + agree(u_hat, squash(s, axis=1)), cs.write(n, c), ss.write(n, s)

        cs, ss = (tf.TensorArray(b.dtype, iterations - 1, clear_after_read=False) for _ in range(2))
        state = 0, b, cs, ss
        if way == "static":
            for _ in range(iterations - 1):
                state = iterate(*state)
        elif iterations > 1:  # XLA does not compile a loop of at most zero iterations
            state = tf.while_loop(lambda n, *_: n < iterations - 1, iterate, state, maximum_iterations=iterations - 1)
        _, b, cs, ss = state
        c = couple(b)
        s = weigh(c, u_hat)

        def gradient(dv):
            c_s = [(cs.read(n), ss.read(n)) for n in range(iterations - 1)] + [(c, s)]
            du_hat, db = [], 0.0
            for c_n, s_n in reversed(c_s):
                if du_hat:  # not the last iteration: v_n had its effect through the logits b += u_hat . v_n
                    du_hat.append(db[:, :, None] * squash(s_n, axis=1))
                    dv = weigh(db, u_hat)
                ds = squash_gradient(s_n, dv, axis=1)
                du_hat.append(c_n[:, :, None] * ds)
                dc = agree(u_hat, ds)
                db += c_n * (dc - tf.reduce_sum(c_n * dc, axis=1, keepdims=True))
            return sum(du_hat), db

        return squash(s, axis=1), gradient

    b = tf.zeros_like(u_hat[:, :, 0])                                     # [I, J, B]
    v = procedure(u_hat, b if prior is None else b + prior[..., None])    # [J, E, B]
    return tf.transpose(v, [2, 0, 1])


def mask(v, chosen):
    """v [B, J, E], `chosen` [B] class indices -> v with every other capsule set to zero (paper, sec. 4.1)."""
    return v * tf.one_hot(chosen, v.shape[1], dtype=v.dtype)[..., None]
