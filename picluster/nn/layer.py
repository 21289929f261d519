"""The layer contract."""

from __future__ import annotations

import torch

from picluster.nn.block import Block
from picluster.nn.rows import Rows


class Layer(torch.nn.Module):
    """One graph layer, in two halves so that a model can be cut between them.

    A stage runs `transform` of its layers and then `aggregate` of the next layer, so that only rows of the next
    layer's targets cross the network.
    """

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """Bring neighbours together: rows of the source → rows of the block's targets. Has no parameters."""
        raise NotImplementedError

    def transform(self, rows: Rows) -> Rows:
        """Apply the parameters, row by row; the last layer's `h` holds the class scores (logits)."""
        raise NotImplementedError
