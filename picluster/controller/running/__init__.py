"""A run: workers started on nodes, led through training, and ended."""
