"""Random model files, drawn out of pieces."""

from dataclasses import dataclass

from hypothesis import strategies as st

HARMLESS = {
    "relu": "h = h.relu()",
    "elu": "h = F.elu(h)",
    "layer norm": "h = self.norm(h)",
    "dropout": "h = dropout(h, 0.4, rows)",
    "dropout of heads": "h = dropout(h.view(len(h), 2, -1), 0.3, rows).flatten(1)",
    "Dropout": "h = self.first(rows.having(h=h))['h']",
    "another Dropout": "h = self.second(rows.having(h=h))['h']",
    "dropout that is off": "h = F.dropout(h, 0.5, training=False)",
    "softmax of a row": "h = h.softmax(1)",
    "unit rows": "h = F.normalize(h, dim=1)",
    "modules": "h = self.inner[1](self.inner[0](h).relu())",
    "transposed weight": "h = h @ self.transposed",
    "weight behind a view": "h = (h[:, :, None] * self.transposed.t()[None]).sum(2)",
    "training only": "h = 2 * h if self.training else h",
    "ids": "h = h + rows.ids[:, None].float().sin()",
    "residual": "h = h + self.linear(x)",
    "own seed": "h = h * self.mask",
    "for looking at": "self.seen = h.detach()",
    "fp64 inside": "h = h.double().exp().log1p().float()",
    "columns": "h = torch.cat([h[:, 3:], h[:, :3]], dim=1)",
    "strided rows": "h = h.t().contiguous().t()",
}
HARMFUL = {
    "torch's dropout": "h = F.dropout(h, 0.5)",
    "torch's dropout module": "h = self.hidden[0](h)",
    "noise": "h = h + 0.1 * torch.randn_like(h)",
    "in-place noise": "h = h + torch.empty_like(h).uniform_()",
    "rrelu": "h = F.rrelu(h, training=True)",
    "gumbel": "h = F.gumbel_softmax(h, dim=1)",
    "permuted": "h = h[torch.randperm(len(h))]",
    "generator of one's own": "h = h * torch.rand(h.shape, generator=self.generator)",
    "Python's random": "h = h * (0.5 + random.random())",
    "numpy's random": "h = h * float(np.random.rand())",
    "numpy's own generator": "h = h * float(np.random.default_rng().random())",
    "clock": "h = h * (1 + time.time() % 1)",
    "counter": "self.calls += 1; h = h * self.calls",
    "count for later": "self.calls += 1; h = h * 2 if self.calls > 3 else h",
    "running mean": "self.mean.mul_(0.9).add_(0.1 * h.detach().mean()); h = h - self.mean",
    "cache": "self.kept = h.detach() if self.kept is None else self.kept[:len(h)]; h = h + self.kept.mean()",
    "mean of the rows": "h = h - h.mean(0)",
    "norm of the batch": "h = F.batch_norm(h, None, None, training=True)",
    "softmax of a column": "h = h.softmax(0)",
    "number of rows": "h = h / len(h)",
    "place in the batch": "h = h + torch.arange(len(h))[:, None]",
    "hidden weights": "h = self.hidden[1](h)",
}
DOUBTFUL = {
    "sum that is not used": "total = h.sum()",
    "a draw that is not used": "torch.rand(())",
    "rare noise": "h = h * 0 if random.random() < 0.001 else h",
    "in place": "h.mul_(2)",
    "in place of what is given": "rows['mean'].mul_(2)",
    "sorted rows": "h = h.sort(1).values",
    "above the mean": "h = h * (h > h.mean(1, keepdim=True))",
    "gradient hook": "h.register_hook(lambda g: g / g.norm()) if h.requires_grad else None",
    "detached": "h = h.detach()",
}
GRAPH_LAYERS = {
    "mine": "Mine{number}({inputs}, {outputs})",
    "sage": "SageLayer({inputs}, {outputs}, dropout=0.3)",
    "gcn": "GcnLayer({inputs}, {outputs}, dropout=0.3)",
    "GCNConv": "PygLayer(GCNConv({inputs}, {outputs}), dropout=0.3)",
    "GATConv": "PygLayer(GATConv({inputs}, {outputs}))",
    "SAGEConv": "PygLayer(SAGEConv({inputs}, {outputs}, aggr='max'), dropout=0.3)",
    "ChebConv": "PygLayer(ChebConv({inputs}, {outputs}, K=2))",
}
HEAD = """
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch_geometric.nn import ChebConv, GATConv, GCNConv, SAGEConv

from picluster.nn import DenseLayer, Dropout, GcnLayer, Layer, PygLayer, SageLayer, dropout
"""
MINE = """

class Mine{number}(Layer):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(2 * inputs, outputs)
        self.norm = nn.LayerNorm(outputs)
        self.first, self.second = Dropout(0.3), Dropout(0.3)
        self.inner = nn.ModuleList([nn.Linear(outputs, outputs), nn.Linear(outputs, outputs)])
        self.transposed = nn.Parameter(torch.randn(outputs, outputs).t())
        self.mask = torch.rand(outputs, generator=torch.Generator().manual_seed(3))
        self.register_buffer("mean", torch.zeros(1))
        self.hidden = [nn.Dropout(0.5), nn.Linear(outputs, outputs)]
        self.generator = torch.Generator()
        self.calls, self.kept = 0, None

    def aggregate(self, block, rows):
        h = rows["h"]
        return block.rows(mean=block.mean(h), own=block.targets(h))

    def transform(self, rows):
        x = torch.cat([rows["mean"], rows["own"]], dim=1)
        h = self.linear(x)
{statements}
        return rows.having(h=h)
"""


@dataclass(frozen=True)
class ModelFile:
    """Its text, and which pieces it is made of."""

    text: str
    kinds: tuple[str, ...]
    statements: tuple[str, ...]

    @property
    def is_harmless(self) -> bool:
        """Whether it must be taken."""
        return "ChebConv" not in self.kinds and all(name in HARMLESS for name in self.statements)

    @property
    def is_harmful(self) -> bool:
        """Whether it must be refused."""
        return "ChebConv" in self.kinds or any(name in HARMFUL for name in self.statements)


@st.composite
def model_files(draw: st.DrawFn) -> ModelFile:
    kinds = draw(st.lists(st.sampled_from(["mine", "mine", *GRAPH_LAYERS]), min_size=1, max_size=3))
    kinds += [] if "mine" in kinds else ["mine"]
    widths = ["features", *["hidden"] * (len(kinds) - 1), "classes"]
    classes, layers, used = [], [], []
    for number, kind in enumerate(kinds):
        if kind == "mine":
            names = _drawn_statements(draw)
            used += names
            lines = "\n".join(f"        {({**HARMLESS, **HARMFUL, **DOUBTFUL})[name]}" for name in names)
            classes.append(MINE.format(number=number, statements=lines))
        layers.append(GRAPH_LAYERS[kind].format(number=number, inputs=widths[number], outputs=widths[number + 1]))
        if draw(st.integers(0, 4)) == 0:
            layers.append("DenseLayer({0}, {0}, dropout=0.2)".format(widths[number + 1]))
    listed = ", ".join(layers)
    text = f"{HEAD}{''.join(classes)}\n\ndef layers(*, features, classes, hidden=6):\n    return [{listed}]\n"
    return ModelFile(text, tuple(kinds), tuple(used))


def _drawn_statements(draw: st.DrawFn) -> list[str]:
    names = draw(st.lists(st.sampled_from(sorted(HARMLESS)), max_size=4))
    further = draw(st.sampled_from(["none", "none", "harmful", "doubtful"]))
    if further != "none":
        pieces = HARMFUL if further == "harmful" else DOUBTFUL
        names.insert(draw(st.integers(0, len(names))), draw(st.sampled_from(sorted(pieces))))
    return names
