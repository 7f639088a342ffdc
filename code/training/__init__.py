"""Training a network: a step, the loop around it, the folder of a run, several devices."""
