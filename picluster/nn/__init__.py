"""What model authors use: layers, and the pieces to write one's own."""

from picluster.nn.block import Block
from picluster.nn.dense import DenseLayer, glorot_linear
from picluster.nn.dropout import Dropout, dropout
from picluster.nn.gcn import GcnLayer, normalised_sum
from picluster.nn.gcn2 import Gcn2Layer
from picluster.nn.layer import Layer, RowLayer
from picluster.nn.nearest import NearestLayer
from picluster.nn.pyg import PygLayer
from picluster.nn.rows import Rows
from picluster.nn.sage import SageLayer
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
]
