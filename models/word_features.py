"""A network over the words of each paper alone, without citations: a baseline that shows what the graph adds."""

from torch.nn.functional import relu

from picluster.nn import Block, DenseLayer, Dropout, Layer, Rows, TrainingDefaults, glorot_linear

TRAINING = TrainingDefaults(learning_rate=0.01, weight_decay=(0.0,), l1=2e-3, epochs=120)


class WordLayer(Layer):
    """h' = ReLU(W x + b) without neighbours, where x is scaled so that its largest value is 1."""

    def __init__(self, words: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.linear = glorot_linear(words, outputs)

    def aggregate(self, block: Block, rows: Rows) -> Rows:
        """`h` (S, words) → `words` (T, words) of the targets alone."""
        own = block.targets(rows["h"])
        return block.rows(words=own / own.abs().amax(dim=1, keepdim=True).clamp(min=1e-6))

    def transform(self, rows: Rows) -> Rows:
        """`words` (T, words) → `h` (T, outputs)."""
        return rows.having(h=relu(self.linear(self.dropout(rows)["words"])))


def layers(
    *,
    features: int,
    classes: int,
    depth: int = 1,
    hidden: int = 10,
    dropout: float = 0.5,
    word_dropout: float = 0.3,
) -> list[Layer]:
    """Widths run words → hidden → classes."""
    if depth != 1:
        message = "it has one layer of words"
        raise ValueError(message)
    return [
        WordLayer(features, hidden, word_dropout),
        DenseLayer(hidden, classes, dropout=dropout, last=True, glorot=True),
    ]
