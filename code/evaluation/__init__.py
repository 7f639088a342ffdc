"""Evaluating a trained network: a mode is a file in modes/, an attack one in attacks/."""
