"""Asks an exported .onnx file: python ask_onnx.py FILE images.npy outputs.npz

It needs onnxruntime and nothing of this repository. images: float32 [N, H, W, C] in [0, 1]
"""
import sys

import numpy as np
import onnxruntime

file, images, outputs = sys.argv[1:]
network = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
names = [output.name for output in network.get_outputs()]
np.savez(outputs, **dict(zip(names, network.run(None, {"images": np.load(images)}), strict=True)))
