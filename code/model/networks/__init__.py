"""Networks: `build(cfg, image_shape, classes)` makes a Network.

A network may also have SETTINGS, flags of its own. They are read from the file's text, without its
imports, so they may use nothing except what settings.py has.
"""
