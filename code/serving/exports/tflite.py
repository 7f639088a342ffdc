"""TensorFlow Lite (LiteRT), one file for phones and small computers."""
from pathlib import Path

import tensorflow as tf

SUFFIX = ".tflite"
PACKAGES = ()


def write(function: tf.types.experimental.PolymorphicFunction, path: str):
    """Writes the file. Its one signature, serving_default, is the function."""
    concrete = function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    Path(path).write_bytes(converter.convert())
