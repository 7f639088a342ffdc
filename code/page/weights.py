"""A network as the page computes it: sizes, and every weight as a matrix of rows."""
from typing import TYPE_CHECKING

import numpy as np

from model.networks import capsnet
from model.patches import columns_of
from settings import InputError

if TYPE_CHECKING:
    from model.network import Network


def describe(network: "Network", name: str) -> tuple[dict, dict[str, np.ndarray]]:
    """-> what web/capsnet.js has to know, and the weights by name

    A layer's weights have a row for each of its inputs. InputError unless it is a CapsNet, the only
    network that the page can compute. name: of the network
    """
    if not isinstance(network, capsnet.CapsNet):
        raise InputError(f"{name}: expected a network with capsules, as --model capsnet has, "
                         "because the page shows capsules; received one without")
    conv1, primary, digits = network.conv1, network.primary_caps, network.digit_caps
    I, D, J, E = digits.W.shape
    types = primary.conv.filters // D
    H, W, _ = network.image_shape
    for conv in (conv1, primary.conv):
        H, W = ((side - capsnet.KERNEL) // conv.stride + 1 for side in (H, W))
    about = {
        "image": network.image_shape,
        "classes": J,
        "kernel": capsnet.KERNEL,
        "strides": [conv1.stride, primary.conv.stride],
        "positions": [H, W],
        "types": types,
        "primaryDim": D,
        "classDim": E,
        "iterations": digits.iterations,
        "parameters": network.count_params(),
    }

    prior = np.zeros((I, J), np.float32) if digits.prior is None else digits.prior.numpy()
    arrays = {"W": digits.W.numpy(), "prior": prior}
    for layer, conv in (("conv1", conv1), ("primary", primary.conv)):
        arrays[f"{layer}.weights"] = columns_of(conv.kernel).numpy()
        arrays[f"{layer}.bias"] = conv.bias.numpy()
    for layer in ("hidden1", "hidden2", "pixels"):
        dense = getattr(network.decoder, layer)
        arrays[f"{layer}.weights"] = dense.kernel.numpy()
        arrays[f"{layer}.bias"] = dense.bias.numpy()
    return about, arrays
