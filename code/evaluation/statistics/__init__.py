"""Confidence intervals, calibration, tables."""
