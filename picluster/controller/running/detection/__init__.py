"""Failures of workers: the signs of them, and what they come from."""
