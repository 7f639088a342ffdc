"""Equation 1 and procedure 1 in NumPy, in float64, and a shift: plain loops that the code is compared with."""
import numpy as np


def moved(image, down, right):
    """An image [H, W, C], moved pixel by pixel; zeros come in."""
    result, (height, width, _) = np.zeros_like(image), image.shape
    for y, x in np.ndindex(height, width):
        if 0 <= y - down < height and 0 <= x - right < width:
            result[y, x] = image[y - down, x - right]
    return result


def squash(s):
    """Capsules along the last axis -> the same shape"""
    n = np.linalg.norm(np.float64(s), axis=-1, keepdims=True)
    return s * n / (1 + n ** 2)


def route(u_hat, iterations, prior=0, bias=0, none=False):
    """Procedure 1 with a bias, line by line, image by image. u_hat [B, I, J, E] -> v [B, J, E], the last c [B, I, J]

    prior [I, J], bias [J, E], or 0. none: with one more class in the softmax, whose logit is 0
    """
    B, I, J, E = u_hat.shape
    v, c = np.zeros((B, J, E)), np.zeros((B, I, J))
    for b in range(B):
        logits = np.zeros((I, J)) + prior
        for _ in range(iterations):
            for i in range(I):
                c[b, i] = np.exp(logits[i]) / (np.sum(np.exp(logits[i])) + none)
            v[b] = squash(sum(c[b, i, :, None] * u_hat[b, i] for i in range(I)) + bias)
            for i, j in np.ndindex(I, J):
                logits[i, j] += np.dot(u_hat[b, i, j], v[b, j])
    return v, c
