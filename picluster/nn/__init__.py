"""Layers for model files, and the pieces to write one's own."""

from picluster.nn.block import Block, Rows
from picluster.nn.builtin_layers import (
    DenseLayer,
    Gcn2Layer,
    GcnLayer,
    NearestLayer,
    SageLayer,
    glorot_linear,
    normalised_sum,
)
from picluster.nn.dropout import Dropout, dropout
from picluster.nn.feature_table import source_of
from picluster.nn.layer import Layer, RowLayer
from picluster.nn.pyg import PygLayer
from picluster.schema.model import Pretraining, TrainingDefaults

__all__ = [
    "Block",
    "DenseLayer",
    "Dropout",
    "Gcn2Layer",
    "GcnLayer",
    "Layer",
    "NearestLayer",
    "Pretraining",
    "PygLayer",
    "RowLayer",
    "Rows",
    "SageLayer",
    "TrainingDefaults",
    "dropout",
    "glorot_linear",
    "normalised_sum",
    "source_of",
]
