"""The images that an attacker with some budget may choose from: a ball around each natural image.

Pixels stay in [0, 1]. A norm says how far an image has moved: L-infinity by its most changed pixel,
L2 by the Euclidean length of the change.
"""
import math

import numpy as np


class LInfinity:
    """No pixel differs by more than the radius. It moves along the signs of the gradient."""
    norm = "L-infinity"

    def __init__(self, images: np.ndarray, radius: np.float32):
        """images [N, H, W, C]: the natural ones, in [0, 1]"""
        self.low, self.high = np.maximum(0, images - radius), np.minimum(1, images + radius)

    def somewhere(self, random: np.random.Generator) -> np.ndarray:
        """-> a random image in each ball [N, H, W, C], uniform"""
        return random.uniform(self.low, self.high).astype(np.float32)

    def moved(self, x: np.ndarray, gradient: np.ndarray, step: np.float32,
              active: np.ndarray) -> np.ndarray:
        """Moves x by one step along the gradient, and back into the ball.

        x, gradient [n, H, W, C]; active [n]: which of the N balls is each one's; step: its length,
        negative to go against the gradient. No gradient is all zero, because L2 divides by its
        norm.
        """
        return np.clip(x + step * np.sign(gradient), self.low[active], self.high[active])


class L2:
    """The change has an L2 norm of at most the radius. A step follows the normalised gradient."""
    norm = "L2"

    def __init__(self, images: np.ndarray, radius: np.float32):
        """images [N, H, W, C]: the natural ones, in [0, 1]"""
        self.images, self.radius = images, radius

    def somewhere(self, random: np.random.Generator) -> np.ndarray:
        """-> a random image in each ball [N, H, W, C], uniform before pixels are clipped"""
        direction = random.normal(size=self.images.shape)
        dimensions = math.prod(self.images.shape[1:])
        # the volume grows with the radius to the power of `dimensions`
        share = random.random((len(self.images), 1, 1, 1)) ** (1 / dimensions)
        change = self.radius * share * direction / l2_norm(direction)
        return np.clip(self.images + change, 0, 1).astype(np.float32)

    def moved(self, x: np.ndarray, gradient: np.ndarray, step: np.float32,
              active: np.ndarray) -> np.ndarray:
        """As LInfinity.moved."""
        natural = self.images[active]
        change = x + step * gradient / l2_norm(gradient) - natural
        length = np.maximum(l2_norm(change), np.finfo(np.float32).tiny)
        # To clip a pixel brings it nearer to the natural one, so the image stays in the ball.
        return np.clip(natural + change * np.minimum(1, self.radius / length), 0, 1)


BALLS = {"linf": LInfinity, "l2": L2}


def l2_norm(arrays: np.ndarray) -> np.ndarray:
    """[N, H, W, C] -> L2 norms [N, 1, 1, 1]"""
    return np.sqrt(np.square(arrays).sum(axis=(1, 2, 3), keepdims=True))


def budgets(norm: str, cfg, count: int) -> np.ndarray:
    """-> `count` radii at equal distances, float32 [count]

    norm: "linf", up to EPSILON, or "l2", up to EPSILON_L2. 0 is not among them.
    """
    largest = cfg.EPSILON if norm == "linf" else cfg.EPSILON_L2
    return np.linspace(0, largest, count + 1, dtype=np.float32)[1:]
