"""The ray engine: messages as objects of a Ray cluster that the workers start."""
