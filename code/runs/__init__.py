"""A run's folder: what a training records, its checkpoints, who may write."""
