"""Computation without a network: model files, graph layers, stages, loss, optimiser."""
