"""Using a trained network: its answers about your own images, and its export to other programs.

    from serving import load                  # in code/; TensorFlow starts with the next line
    network = load("../checkpoints/mnist")
    answers = network.predict(["four.png", "scan.jpg"])
"""
from serving.trained import Answer, Trained, load

__all__ = ["Answer", "Trained", "load"]
