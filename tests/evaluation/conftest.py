"""A network and images that several tests of the evaluation ask about."""
import numpy as np
import pytest

import toy


@pytest.fixture(scope="module")
def network():
    return toy.network()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((11, *toy.IMAGE_SHAPE), np.float32)
