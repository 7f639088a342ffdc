"""Networks: `build(cfg, image_shape, classes)` makes a Network.

A network may also have SETTINGS, flags of its own, as one statement `SETTINGS = {...}`. It is read
from the file's text, without its imports, so it may use only what settings.py has.
"""
