"""Asks an exported SavedModel: python ask_saved_model.py FOLDER images.npy outputs.npz

It needs TensorFlow and nothing of this repository. images: float32 [N, H, W, C] in [0, 1]
"""
import sys

import numpy as np
import tensorflow as tf

folder, images, outputs = sys.argv[1:]
network = tf.saved_model.load(folder).signatures["serving_default"]
answer = network(images=tf.constant(np.load(images)))
np.savez(outputs, **{name: value.numpy() for name, value in answer.items()})
