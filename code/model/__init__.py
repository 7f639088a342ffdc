"""The networks: found by name in networks/, and built in one way by all who need one."""
import catalog


def build(cfg, image_shape: tuple[int, int, int], classes: int):
    """-> the network called cfg.MODEL, for images [H, W, C] and J classes. A Network of network.py,
    with variables.

    cfg: settings of a training. Imports TensorFlow.
    """
    return catalog.module("model.networks", cfg.MODEL).build(cfg, image_shape, classes)
