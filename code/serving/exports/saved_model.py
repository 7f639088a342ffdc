"""SavedModel, a folder for TensorFlow and TensorFlow Serving."""
import tensorflow as tf

SUFFIX = ""        # it is a folder
PACKAGES = ()      # beyond those of requirements.txt


def write(function: tf.types.experimental.PolymorphicFunction, path: str):
    """Writes the folder. Its one signature, serving_default, is the function."""
    tf.saved_model.save(tf.Module(), path, signatures=function.get_concrete_function())
