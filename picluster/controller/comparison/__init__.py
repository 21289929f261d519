"""Comparison of runs: read or launched row by row, noted, and drawn as a chart."""
