"""Confidence intervals; means and counts."""
