"""GraphSAGE, mean aggregator: for large graphs with sampled neighbours."""

from picluster.nn import Layer, SageLayer


def layers(*, features: int, classes: int, depth: int = 2, hidden: int = 256, dropout: float = 0.5) -> list[Layer]:
    """Widths run features → hidden … → classes; no dropout of the features themselves."""
    widths = [features, *[hidden] * (depth - 1), classes]
    return [
        SageLayer(widths[i], widths[i + 1], dropout=dropout if i > 0 else 0.0, last=i == depth - 1)
        for i in range(depth)
    ]
