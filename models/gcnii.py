"""GCNII: a deep network whose layers all mix in the first rows (Chen et al., 2020); its defaults are those for Cora."""

from picluster.nn import DenseLayer, Gcn2Layer, Layer, TrainingDefaults

TRAINING = TrainingDefaults(
    learning_rate=0.01, weight_decay=(0.01,), dense_weight_decay=5e-4, epochs=1500, patience=100, monitor="loss"
)


def layers(
    *,
    features: int,
    classes: int,
    depth: int = 8,
    hidden: int = 64,
    dropout: float = 0.6,
    alpha: float = 0.1,
    theta: float = 0.5,
) -> list[Layer]:
    """A dense layer, `depth` graph layers of one width, a dense layer."""
    return [
        DenseLayer(features, hidden, dropout=dropout),
        *(
            Gcn2Layer(hidden, number, alpha=alpha, theta=theta, dropout=dropout, last=number == depth)
            for number in range(1, depth + 1)
        ),
        DenseLayer(hidden, classes, dropout=dropout, last=True),
    ]
