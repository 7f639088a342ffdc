"""Timing a network: the rows of the benchmark, each measured in a process of its own."""
