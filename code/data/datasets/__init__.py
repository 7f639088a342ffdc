"""Named datasets: `load(cfg)` makes a Dataset. data/check.py says what is wrong with it.

A dataset may also have

SETTINGS                   flags of its own, with names that no other table has
DEFAULTS                   values that suit it better for settings of config.py
prepare(picture, side)     how predict.py makes it like these images: a picture of any size, grey
                           uint8 [H, W] or in colour [H, W, 3] as these are -> uint8 [side, side, C]
"""
