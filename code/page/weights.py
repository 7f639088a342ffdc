"""A network as the page computes it: sizes, and every weight as a matrix of rows."""
import numpy as np
import tensorflow as tf

from data.readers.files import expect
from model import capsules
from model.convolution import Convolution
from model.network import Chain, Network
from model.networks import capsnet
from model.patches import columns_of
from page.assemble import ROUTINGS
from registry import settings_of
from settings import ROOT

ACTIVATIONS = (tf.keras.activations.relu, tf.keras.activations.linear)  # of web/chain.js


def describe(network: Network, name: str) -> tuple[dict, dict[str, np.ndarray]]:
    """Returns what the page has to know of the network, and the weights by name.

    "kind" says who computes it: "capsules" is web/capsnet.js, "chain" is web/chain.js. A layer's
    weights have a row for each of its inputs. InputError if neither can. name: of the network
    """
    if type(network) is capsnet.CapsNet:  # a subclass may compute something else
        described, arrays = describe_capsules(network, name)
    else:
        described, arrays = describe_chain(network.chain(), name)
    about = {"image": network.image_shape, "classes": network.classes,
             "parameters": network.count_params()}
    return {**about, **described}, arrays


def describe_capsules(network: capsnet.CapsNet, name: str) -> tuple[dict, dict[str, np.ndarray]]:
    """As `describe`."""
    conv1, primary, digits = network.conv1, network.primary_caps, network.digit_caps
    cfg = digits.routing.cfg
    file = ROUTINGS / f"{cfg.ROUTING}.js"
    expect(file.is_file(), name, f"the page's code of --routing {cfg.ROUTING} in "
           f"{file.relative_to(ROOT)}", "no such file")
    expect(digits.routing.squash is capsules.squash, name, "the squash of equation 1, as the page "
           "computes it", f"another one of --routing {cfg.ROUTING}")

    # sizes
    _, D, J, E = digits.W.shape
    H, W, _ = network.image_shape
    for conv in (conv1, primary.conv):
        H, W = ((side - capsnet.KERNEL) // conv.stride + 1 for side in (H, W))
    described = {
        "kind": "capsules",
        "kernel": capsnet.KERNEL,
        "strides": [conv1.stride, primary.conv.stride],
        "positions": [H, W],
        "types": primary.conv.filters // D,
        "primaryDim": D,
        "classDim": E,
        "routing": cfg.ROUTING,
        "settings": {key: cfg[key] for key in settings_of("model.routings", cfg.ROUTING)},
    }

    # weights: of the class capsules all, also those that the routing has added
    arrays = {"digits.bias": np.zeros((J, E), np.float32)}  # if it has none of its own
    for attribute, value in vars(digits).items():
        if isinstance(value, tf.keras.Variable):
            arrays[f"digits.{attribute}"] = value.numpy()
    for layer, conv in (("conv1", conv1), ("primary", primary.conv)):
        arrays.update(arrays_of(layer, columns_of(conv.kernel) / conv.divisor, conv.bias))
    for layer in ("hidden1", "hidden2", "pixels"):
        dense = getattr(network.decoder, layer)
        arrays.update(arrays_of(layer, dense.kernel, dense.bias))
    return described, arrays


def describe_chain(chain: Chain | None, name: str) -> tuple[dict, dict[str, np.ndarray]]:
    """As `describe`."""
    expect(chain is not None, name, "a network whose layers the page can compute, as --model "
           "capsnet and cnn have", "one that is neither a CapsNet nor a chain of layers")
    steps, arrays = [], {}
    for kind, layer in chain.steps:
        expect(is_known(kind, layer), name, "steps that the page can compute, as in "
               "model.network.Step", f"{kind} by {layer}")
        step = {"kind": kind}
        if layer is not None:
            step["layer"] = layer.name
            step["relu"] = layer.activation is tf.keras.activations.relu
            weights = layer.kernel
            if kind == "convolution":
                step["kernel"], _ = layer.kernel_size
                weights = columns_of(layer.kernel)
            arrays.update(arrays_of(layer.name, weights, layer.bias))
        steps.append(step)
    return {"kind": "chain", "steps": steps, "probabilities": chain.probabilities}, arrays


def is_known(kind: str, layer: tf.keras.layers.Layer | None) -> bool:
    """Returns whether web/chain.js can compute the step."""
    if kind == "max_pool":
        return layer is None
    if kind == "convolution":
        known = isinstance(layer, Convolution) and layer.same  # and so of stride 1
    else:
        known = kind == "dense" and isinstance(layer, tf.keras.layers.Dense) and layer.use_bias
    return known and layer.activation in ACTIVATIONS


def arrays_of(layer: str, weights: tf.Tensor, bias: tf.Tensor) -> dict[str, np.ndarray]:
    """Returns the arrays of one layer, by the names under which web/layers.js finds them."""
    return {f"{layer}.weights": weights.numpy(), f"{layer}.bias": bias.numpy()}
