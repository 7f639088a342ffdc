"""ONNX, one file for onnxruntime and many other programs."""
import tensorflow as tf

SUFFIX = ".onnx"
PACKAGES = ("tf2onnx", "onnxruntime")


def write(function: tf.types.experimental.PolymorphicFunction, path: str):
    """Writes the file. Its inputs and outputs have the function's names."""
    import tf2onnx

    tf2onnx.convert.from_function(function, input_signature=function.input_signature,
                                  output_path=path)
