"""What model authors use: layers, and the pieces to write one's own."""

from picluster.nn.block import Block
from picluster.nn.dropout import Dropout
from picluster.nn.gcn import GcnLayer
from picluster.nn.layer import Layer
from picluster.nn.rows import Rows
from picluster.nn.sage import SageLayer

__all__ = ["Block", "Dropout", "GcnLayer", "Layer", "Rows", "SageLayer"]
