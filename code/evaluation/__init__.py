"""Evaluating a trained network: a mode is a file in modes/, an attack a function of attacks.py."""
