"""Pages of small networks, and their modules, in a headless Chromium."""
import numpy as np
import pytest

import data
import toy
from browsing import lively, save, write_page
from data.dataset import Dataset, Split
from model.networks import cnn
from page import assemble

IMAGE_SHAPE = (24, 22, 1)  # 4 x 3 places
CHAINS = {  # layers, images
    "softmax": (cnn.Layers((5, 4), (6, 4), (8, 6), pooled=False, dropped=(False, True), exclusive=True), (18, 17, 1)),
    "sigmoid": (cnn.Layers((3, 5), (6, 8), (9,), pooled=True, dropped=(False,), exclusive=False), (18, 19, 3))}


@pytest.fixture
def evaluate(browser):
    """evaluate(module, expression) -> the value of the expression, in which m is a module of the page"""
    def call(module, expression, *arguments, **routing):
        browser.get("data:text/html,")
        code = f"const m = {assemble.bundle(module, **routing)}; const [a, b, c] = arguments; return {expression};"
        return browser.execute_script(code, *arguments)

    return call


@pytest.fixture(scope="session")
def toy_page(tmp_path_factory):
    """-> the network, with biases and a divisor, and the file of its page"""
    folder = tmp_path_factory.mktemp("page")
    images, labels = toy.images(60, 0, IMAGE_SHAPE)
    np.savez(folder / "bars.npz", x_train=images, y_train=labels)
    cfg = toy.settings(DATASET=str(folder / "bars.npz"), INIT="authors")
    network = lively(toy.network(IMAGE_SHAPE, INIT="authors"))
    conv = network.primary_caps.conv
    conv.kernel.assign(conv.divisor * conv.kernel)
    save(folder / "run", network, cfg)
    assert write_page(folder / "toy.html", "--ckpt", folder / "run") == 0
    return network, folder / "toy.html"


def page_of(folder, network, labels_each, **cfg):
    """-> the file of a page of the network, whose dataset has images of that many labels"""
    images, labels = toy.images(20, 0, network.image_shape, 4)
    labels = np.stack([labels, (labels + 1) % 4], axis=1).astype(np.int32)[:, :labels_each]
    split = Split(images, labels)
    dataset = Dataset("bars", split, split, split, tuple("abcd"))
    save(folder / "run", network, toy.settings(DATASET="glyphs", **cfg))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *_, **__: dataset)
        assert write_page(folder / "page.html", "--ckpt", folder / "run") == 0
    return folder / "page.html"


@pytest.fixture(scope="session")
def page_of_pairs(tmp_path_factory):
    """-> a page of a network for colour images with two labels, one iteration and a trained prior"""
    cfg = dict(ROUTING_ITERS=1, PRIOR_TRAINING=True)
    network = lively(toy.network((19, 18, 3), 4, **cfg))
    return network, page_of(tmp_path_factory.mktemp("pairs"), network, 2, **cfg)


@pytest.fixture(scope="session", params=CHAINS)
def page_of_chain(request, tmp_path_factory):
    """-> a network without capsules, with one label or two, and the file of its page"""
    layers, shape = CHAINS[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cnn.LAYERS, "mnist", layers)
        network = toy.network(shape, 4, MODEL="cnn")
        for layer in (*network.convolutions, *network.dense, network.scores):
            layer.kernel.assign(2 * layer.kernel)
            layer.bias.assign(np.random.default_rng(0).normal(0, 0.3, layer.bias.shape))
        labels_each = 1 if layers.exclusive else 2
        return network, page_of(tmp_path_factory.mktemp(request.param), network, labels_each, MODEL="cnn")
