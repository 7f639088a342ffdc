"""Named datasets: `load(cfg)` makes a Dataset. data/check.py says what is wrong with it.

A dataset may also have

SETTINGS                   flags of its own, with names that no other table has
DEFAULTS                   values that suit it better for settings of config.py
prepare(picture, side)     how predict.py makes it like these images: a grey picture uint8 [H, W] of
                           any size -> uint8 [side, side, 1]
"""
