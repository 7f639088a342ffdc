"""The network: parameter counts of the paper, any shape, any batch, and the mask between capsules and decoder."""
import numpy as np
import pytest
import tensorflow as tf

from capsnet import CapsNet
from config import TRAIN, Config, cfg
from toy import network


def toy(image_shape=(28, 28, 1), classes=10, **changes):
    return network(image_shape, classes, DIGIT_DIM=16, **changes)


def uniform(*shape):
    return np.random.default_rng(0).uniform(size=shape).astype(np.float32)


def count(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


def test_parameter_counts_of_the_paper():
    model = CapsNet(cfg, (28, 28, 1), 10)
    assert count(model.trainable_variables) == 8_215_568
    assert count(model.trainable_variables) - count(model.decoder.trainable_variables) == 6_804_224
    assert model.digit_caps.W.shape == (1152, 8, 10, 16)


def test_parameter_counts_of_36_pixels_and_of_the_prior():
    assert CapsNet(cfg, (36, 36, 1), 10).count_params() == 11_361_808
    with_prior = Config(TRAIN, {"PRIOR_TRAINING": True})
    assert count(CapsNet(with_prior, (28, 28, 1), 10).trainable_variables) == 8_215_568 + 1152 * 10


@pytest.mark.parametrize("image_shape, classes", [((28, 28, 1), 10), ((17, 17, 1), 2), ((18, 23, 3), 5),
                                                  ((32, 20, 2), 3)])
@pytest.mark.parametrize("batch", [1, 3])
def test_any_shape_and_batch(image_shape, classes, batch):
    model = toy(image_shape, classes)
    images = uniform(batch, *image_shape)
    output = model(images)
    assert output.v.shape == (batch, classes, 16)
    assert output.lengths.shape == (batch, classes)
    assert output.reconstruction.shape == images.shape
    assert np.all((output.lengths >= 0) & (output.lengths < 1))
    assert np.all((output.reconstruction >= 0) & (output.reconstruction <= 1))


def test_an_image_does_not_depend_on_its_batch():
    model, images = toy(), uniform(5, 28, 28, 1)
    together, alone = model(images), model(images[3:4])
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a[3:4], b, rtol=1e-4, atol=1e-6)


def test_an_unknown_batch_size_is_traced_once():
    model, images = toy(), uniform(5, 28, 28, 1)
    function = tf.function(lambda images: model(images).lengths, input_signature=[tf.TensorSpec([None, 28, 28, 1])])
    for batch in (5, 1, 3):
        np.testing.assert_allclose(function(images[:batch]), model(images[:batch]).lengths, rtol=1e-4, atol=1e-6)
    assert function.experimental_get_tracing_count() == 1


def test_dynamic_and_static_routing_are_the_same_network():
    dynamic, static = toy(ROUTING_WAY="dynamic"), toy(ROUTING_WAY="static")
    images = uniform(3, 28, 28, 1)
    for a, b in zip(dynamic(images), static(images), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_the_mask_is_the_label_or_else_the_longest_capsule():
    model, images = toy(), uniform(4, 28, 28, 1)
    free = model(images)
    longest = np.argmax(free.lengths, axis=1)
    np.testing.assert_array_equal(free.reconstruction, model(images, longest).reconstruction)
    np.testing.assert_array_equal(model.decode(free.v, longest + 1), model(images, longest + 1).reconstruction)


def test_the_decoder_sees_only_the_chosen_capsule():
    model, v, chosen = toy(), uniform(4, 10, 16), np.array([3, 0, 9, 5])
    decoded = model.decode(v, chosen)
    assert not np.allclose(decoded, model.decode(v, (chosen + 1) % 10), atol=1e-3)
    v[np.arange(4), (chosen + 1) % 10] += 1
    np.testing.assert_array_equal(model.decode(v, chosen), decoded)


def test_primary_capsules_may_point_anywhere():
    """No ReLU before the squash: components of both signs."""
    model = toy()
    u = model.primary_caps(model.conv1(uniform(2, 28, 28, 1))).numpy()
    assert u.min() < 0 < u.max()


def test_a_black_image_has_finite_values_and_gradients():
    model = toy()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(np.zeros((2, 28, 28, 1), np.float32)).lengths)
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in tape.gradient(loss, model.trainable_variables)
               if gradient is not None)
