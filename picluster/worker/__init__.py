"""The worker: the process that trains on a Pi."""
