"""The networks: found by name in networks/, and built in one way by all who need one."""
import registry


def build(cfg, image_shape: tuple[int, int, int], classes: int):
    """-> the network called cfg.MODEL, for images [H, W, C] and J classes. A Network of network.py,
    with variables.

    cfg: settings of a training. Imports TensorFlow. ValueError if the network has no variables, or
    SETTINGS that were not found without importing its file.
    """
    module = registry.module("model.networks", cfg.MODEL)
    found = registry.settings_of("model.networks", cfg.MODEL)
    if getattr(module, "SETTINGS", {}).keys() != found.keys():
        raise ValueError(f"{module.__file__}: expected SETTINGS in one statement, SETTINGS = "
                         f"{{...}}, received one that makes only {', '.join(found) or 'none'}")
    network = module.build(cfg, image_shape, classes)
    if not network.variables:
        raise ValueError(f"--model {cfg.MODEL}: expected a network with variables, received one "
                         "without; its constructor has to end with make_variables()")
    return network
