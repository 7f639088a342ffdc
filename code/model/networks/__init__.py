"""Networks: `build(cfg, image_shape, classes)` makes a Network."""
