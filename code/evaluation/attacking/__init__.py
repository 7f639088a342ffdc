"""The one engine of all gradient attacks: norm balls, steps, budget sweeps."""
