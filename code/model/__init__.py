"""The networks: found by name in networks/, and built in one way by all who need one."""
import registry
from model.network import Network


def build(cfg, image_shape: tuple[int, int, int], classes: int) -> Network:
    """Builds the network called cfg.MODEL, with its variables.

    cfg: settings of a training; image_shape: (H, W, C); classes: J. InputError for an unknown name.
    """
    return registry.module("model.networks", cfg.MODEL).build(cfg, image_shape, classes)
