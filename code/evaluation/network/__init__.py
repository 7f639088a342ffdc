"""What evaluation asks of a network: predictions, and the gradients of objectives."""
