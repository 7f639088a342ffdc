"""Formats of the user's own images: `load(path, cfg)` makes a Dataset."""
