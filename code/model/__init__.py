"""The networks: found by name in networks/, and built in one way by all who need one."""
import catalog


def build(cfg, image_shape: tuple[int, int, int], classes: int):
    """-> the network called cfg.MODEL, for images [H, W, C] and J classes. A Network of network.py,
    with variables: ValueError if it has none.

    cfg: settings of a training. Imports TensorFlow.
    """
    network = catalog.module("model.networks", cfg.MODEL).build(cfg, image_shape, classes)
    if not network.variables:
        raise ValueError(f"--model {cfg.MODEL}: expected a network with variables, received one "
                         "without; its constructor has to end with make_variables()")
    return network
