"""Graph convolutional network: for small graphs, full batch."""

from picluster.nn import GcnLayer, Layer


def layers(*, features: int, classes: int, depth: int = 2, hidden: int = 16, dropout: float = 0.5) -> list[Layer]:
    """Widths run features → hidden … → classes."""
    widths = [features, *[hidden] * (depth - 1), classes]
    return [GcnLayer(widths[i], widths[i + 1], dropout=dropout, last=i == depth - 1) for i in range(depth)]
