"""The network of models/graph_embedding.py with words in the pre-training: they help to tell how near two papers are.

50 values of the embedding stand for a paper's place in the graph, and 10 are made of its words.
"""

from picluster.nn import DenseLayer, Layer, NearestLayer, Pretraining, TrainingDefaults

PRETRAINING = Pretraining(model="node_pairs", options={"width": 50, "dense": 10}, pairs=1 << 22, neighbours=4)
TRAINING = TrainingDefaults(learning_rate=0.01, weight_decay=(0.0,), l1=4e-3, epochs=400, monitor="loss")


def layers(
    *,
    features: int,
    classes: int,
    depth: int = 1,
    embedding: int = 60,
    hidden: int = 10,
    dropout: float = 0.5,
    word_dropout: float = 0.3,
) -> list[Layer]:
    """`embedding`: number of features that it makes, the last ones; `hidden`: width to which words are reduced."""
    if depth != 1:
        message = "it has one layer that looks at neighbours"
        raise ValueError(message)
    return [
        NearestLayer(features - embedding, hidden, dropout=word_dropout),
        DenseLayer(2 * hidden + embedding, classes, dropout=dropout, last=True, glorot=True),
    ]
