"""Measurement of a worker: memory, processor, sockets, steps."""
