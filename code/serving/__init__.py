"""Using a trained network: its answers about your own images, and its export to other programs.

    from serving import load                  # in code/; this line starts TensorFlow
    network = load("../checkpoints/mnist")
    answers = network.predict(["four.png", "scan.jpg"])
"""
import cli

cli.start_tensorflow()  # before the imports below, which would start it less quietly
from serving.trained import Answer, Trained, load  # noqa: E402

__all__ = ["Answer", "Trained", "load"]
