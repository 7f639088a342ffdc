"""TensorFlow Lite (LiteRT), one file for phones and small computers."""
from pathlib import Path

import tensorflow as tf

SUFFIX = ".tflite"
PACKAGES = ()


def write(function: tf.types.experimental.PolymorphicFunction, path: str):
    """Writes the file. Its one signature, serving_default, is the function."""
    declared, = function.input_signature

    @tf.function(input_signature=[declared])
    def checked(images):
        # The interpreter takes images of any size, and drops ensure_shape. But it checks that the
        # sizes of a split add up.
        for axis, size in enumerate(declared.shape[1:], start=1):
            images, _ = tf.split(images, [size, 0], axis)
        return function(images)

    concrete = checked.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    Path(path).write_bytes(converter.convert())
