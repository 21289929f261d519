"""Graphs that come whole in one file: saved by PyG, or as an archive of numpy arrays."""
