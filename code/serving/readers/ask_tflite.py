"""Asks an exported .tflite file: python ask_tflite.py FILE images.npy outputs.npz

It needs ai-edge-litert, or TensorFlow, and nothing of this repository. images: float32
[N, H, W, C] in [0, 1]
"""
import sys

import numpy as np

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:  # TensorFlow has the same interpreter, and says that it will leave
    import tensorflow as tf
    Interpreter = tf.lite.Interpreter

file, images, outputs = sys.argv[1:]
network = Interpreter(model_path=file).get_signature_runner("serving_default")
np.savez(outputs, **network(images=np.load(images)))
