"""Named datasets: `load(cfg)` makes a Dataset."""
