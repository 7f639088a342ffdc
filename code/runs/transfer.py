"""Starts a network from the weights of another one, layer by layer: --init_from."""
import math
from typing import NamedTuple

from model.network import Network
from runs import checkpoints
from settings import InputError


class Inherited(NamedTuple):
    """What a network has from another one."""
    source: dict[str, str]  # its "path" and the "sha256" of all its weights, for config.json
    line: str               # which layers were taken and which were not


def transfer(path: str, network: Network) -> Inherited:
    """Copies the weights of each layer that the network at `path` has, too, by name and shapes.

    InputError, and nothing is changed, if no layer fits.
    """
    loaded = checkpoints.load(path)
    theirs, own = layers(loaded.network), layers(network)
    taken = [name for name in own if shapes(own[name]) == shapes(theirs.get(name, {}))]
    left = [name for name in own if name not in taken]
    if not taken:
        raise InputError(f"--init_from {path}: expected a network with a layer of the same name "
                         f"and shape, one of {described(own)}; received {described(theirs)}")
    for name in taken:
        for weight, variable in own[name].items():
            variable.assign(theirs[name][weight].numpy())
    source = {"path": str(loaded.prefix), "sha256": loaded.network.digest()}
    return Inherited(source, f"weights of {loaded.prefix} (SHA-256 {source['sha256']:.8}): took "
                             f"{', '.join(taken)}; did not take {', '.join(left) or 'no layer'}")


def layers(network: Network) -> dict[str, dict]:
    """Returns the variables of each layer by name: {"primary_caps/conv": {"kernel": ...}, ...}"""
    found = {}
    for variable in network.variables:
        _, *parts, weight = variable.path.split("/")  # the first part is the network's own name
        found.setdefault("/".join(parts), {})[weight] = variable
    return found


def described(found: dict[str, dict]) -> str:
    """Returns the layers with the shapes of their largest weights, in words."""
    largest = {name: max(shapes(layer).values(), key=math.prod) for name, layer in found.items()}
    return ", ".join(f"{name} {list(shape)}" for name, shape in largest.items())


def shapes(layer: dict) -> dict[str, tuple]:
    """Returns the shape of each variable of a layer by name."""
    return {name: tuple(variable.shape) for name, variable in layer.items()}
