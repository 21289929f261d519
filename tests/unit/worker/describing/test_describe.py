"""What a description refuses: the line, the layer, the cause, and a fix that can be typed."""

import textwrap
import time
from pathlib import Path

import pytest

from picluster.errors import InputError
from picluster.worker.describing import description
from picluster.worker.describing.description import describe
from picluster.worker.describing.isolation import limited

MODELS = Path(__file__).parents[4] / "models"
MINE = """
import random, sys, time
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from picluster.nn import Dropout, Layer, dropout
{top}
class Mine(Layer):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(2 * inputs, outputs)
        {init}

    def aggregate(self, block, rows):
        h = rows["h"]
        {aggregate}
        return block.rows(mean=block.mean(h), own=block.targets(h))

    def transform(self, rows):
        h = self.linear(torch.cat([rows["mean"], rows["own"]], dim=1))
        {transform}
        return rows.having(h=h)

def layers(*, features, classes, depth=2):
    {layers}
    return [Mine(features, 8), Mine(8, classes)]
"""
TOP, INIT, AGGREGATE, LAYERS, TRANSFORM = (f"model.py, line {number}: layer 1" for number in (8, 13, 17, 27, 22))
OTHER_PLANS: dict[str, tuple[dict[str, str], str]] = {
    "torch's dropout": ({"transform": "h = F.dropout(h, 0.001)"}, f"{TRANSFORM} .* torch's gen"),
    "a module in a list": (
        {"init": "self.d = [nn.Dropout()]", "transform": "h = self.d[0](h)"},
        f"{TRANSFORM} .* draws",
    ),
    "attention": (
        {"transform": "h = F.scaled_dot_product_attention(h[:, None], h[:, None], h[:, None], dropout_p=0.5)[:, 0]"},
        f"{TRANSFORM} .* draws",
    ),
    "a draw in aggregate": ({"aggregate": "h = h + torch.randn_like(h)"}, f"{AGGREGATE} .* in `aggregate`"),
    "a seed of one's own": ({"transform": "torch.manual_seed(0); h = F.dropout(h)"}, f"{TRANSFORM} .* draws"),
    "numpy": ({"transform": "h = h * float(np.random.rand())"}, f"{TRANSFORM} .* numpy's generator"),
    "random": ({"transform": "h = h * random.random()"}, f"{TRANSFORM} .* Python's `random`"),
    "a hook": (
        {"init": "self.linear.register_forward_hook(lambda m, i, o: o * random.random())"},
        f"{INIT} .* Python's `random`",
    ),
    "a generator of one's own": (
        {"top": "RNG = np.random.default_rng(0)", "transform": "h = h * float(RNG.random())"},
        f"{TRANSFORM} .* state from call to call: `RNG` changes",
    ),
    "the clock": ({"transform": "h = h * (1 + time.time() % 1)"}, f"{TRANSFORM} .* when it is called again"),
    "a counter": ({"init": "self.calls = 0", "transform": "self.calls += 1"}, f"{TRANSFORM} .* `self.calls` changes"),
    "a running mean": (
        {"init": 'self.register_buffer("m", torch.zeros(1))', "transform": "self.m.add_(h.detach().mean())"},
        f"{TRANSFORM} .* `self.m` changes",
    ),
    "a power iteration": (
        {"init": "self.linear = nn.utils.parametrizations.spectral_norm(self.linear)"},
        r"model.py, line 21: layer 1 .*_u` changes",
    ),
    "a cache of weights": (
        {
            "init": "self.c = None",
            "transform": "self.c = self.linear.weight.sum().detach() if self.c is None else self.c; h = h * self.c",
        },
        "layer 1 .* keeps values from an earlier call",
    ),
    "a cache of rows": (
        {
            "init": "self.c = None",
            "transform": "self.c = h.detach() if self.c is None or len(self.c) != len(h) else self.c; h = h + self.c",
        },
        "layer 1 .* keeps values from an earlier call",
    ),
    "a mean of rows": ({"transform": "h = h + 1e-6 * h.mean(0)"}, f"{TRANSFORM} .* mixes rows"),
    "a softmax of columns": ({"transform": "h = h.softmax(0)"}, f"{TRANSFORM} .* mixes rows"),
    "a weight that is clamped": (
        {"transform": "with torch.no_grad(): self.linear.weight.clamp_(-0.1, 0.1)"},
        "layer 1 .* changes its weight linear.weight when it is called",
    ),
    "a seed of the clock": ({"layers": "torch.manual_seed(int(time.time()))"}, "weight .* other values on every node"),
    "the hour": ({"transform": "h = h * (time.time() // 3600)"}, "layer 1 .* other ones on every node"),
    "the process": (
        {"init": "import os; self.c = os.getpid()", "transform": "h = h * self.c"},
        "layer 1 .* other ones on every node",
    ),
    "a draw where rows are many": ({"transform": "h = F.dropout(h) if len(h) > 1000 else h"}, f"{TRANSFORM} .* draws"),
    "a mean where rows are many": ({"transform": "h = h - h.mean(0) if len(h) > 100 else h"}, f"{TRANSFORM} .* mixes"),
    "chunks of rows": ({"transform": "h = h + (torch.arange(len(h)) // 64)[:, None]"}, "layer 1 .* in two parts"),
    "a branch on all values": ({"transform": "h = 2 * h if h.mean() > 0 else h"}, "layer 1 .* in two parts"),
    "a branch on the largest value": (
        {"transform": "h = h / h.abs().max() if h.abs().max() > 10 else h"},
        "layer 1 .* in two parts",
    ),
    "a draw outside training": (
        {"transform": "h = h if self.training else h + torch.rand_like(h)"},
        f"{TRANSFORM} .* draws .* outside training",
    ),
    "a mean outside training": (
        {"transform": "h = h if self.training else h - h.mean(0)"},
        f"{TRANSFORM} .* mixes rows .* outside training",
    ),
    "the number of rows": ({"transform": "h = h / len(h)"}, "layer 1 .* computed in two parts"),
    "a number for each row": (
        {"transform": "h = h + torch.arange(len(h))[:, None]"},
        "layer 1 .* computed in two parts",
    ),
    "given rows in place": ({"aggregate": "h.mul_(2)"}, r"line 15: layer 1 .* in place"),
    "weights in a list": (
        {"init": "self.ls = [nn.Linear(outputs, outputs)]", "transform": "h = self.ls[0](h)"},
        "layer 1 .* not among its own",
    ),
    "weights in aggregate": (
        {"init": "self.s = nn.Parameter(torch.ones(1))", "aggregate": "h = h * self.s"},
        "layer 1 .* uses weights in `aggregate`",
    ),
    "a late weight": (
        {
            "init": "self.w = None",
            "transform": "self.w = nn.Parameter(h[0].detach()) if self.w is None else self.w; h = h * self.w",
        },
        r"line 10: layer 1 .* makes its weight .*w when it is first called",
    ),
    "a tied weight": (
        {"layers": "a, b = Mine(features, features), Mine(features, classes); a.linear = b.linear; return [a, b]"},
        "line 25: layers 1 and 2 share a weight",
    ),
    "numpy's weights": (
        {"init": "self.w = nn.Parameter(torch.from_numpy(np.random.rand(outputs)).float())"},
        "line 13: the weight w of layer 1 .* numpy's generator",
    ),
    "Python's weights": (
        {"init": "nn.init.constant_(self.linear.bias, random.random())"},
        "line 13: the weight linear.bias of layer 1 .* Python's `random`",
    ),
    "a constant drawn at import": (
        {"top": "SCALE = float(np.random.rand())", "transform": "h = h * SCALE"},
        f"{TOP} .* numpy's generator, others on every node",
    ),
    "dropout that drops nothing": (
        {"init": "self.d = Dropout(0.5)", "aggregate": "self.d(block.rows(h=block.mean(h)))"},
        "layer 1 .* drops nothing",
    ),
    "fp64 weights": ({"init": "self.linear.double()"}, r"line 10: layer 1 .* linear.weight in torch.float64"),
}
OWN_CAUSES = {
    "another name of rows": (
        {"transform": 'rows["h0"]'},
        "line 22.*KeyError",
        "the rows there are named mean, own",
    ),
    "an attribute": ({"transform": "self.linera(h)"}, "line 22.*AttributeError", "did you mean linear?"),
    "a name": ({"transform": "torhc.relu(h)"}, "line 22.*NameError", "did you mean torch?"),
    "a device": ({"transform": 'h.to("cuda")'}, "line 22", 'leave out .to("cuda")'),
    "a division": ({"transform": "1 / 0"}, "line 22.*ZeroDivisionError", "mend line 22"),
    "widths": (
        {"layers": "return [Mine(features, 8), Mine(9, classes)]"},
        "layer 2 .* cannot take",
        "`mean` of width 8",
    ),
    "nothing returned": ({"transform": "return None"}, "line 20.*gives NoneType", "rows.having"),
    "a tensor returned": ({"transform": "return h"}, "line 20.*gives Tensor", "rows.having"),
    "an end": ({"transform": "sys.exit(1)"}, "line 22.*ends the program", "take sys.exit"),
    "options of its own": (
        {"top": "import argparse; argparse.ArgumentParser().parse_args(['--lr'])"},
        "line 8.*ends the program",
        "take argparse out",
    ),
    "an import of a file beside it": ({"top": "from beside import x"}, "line 8.*No module", "goes to the nodes alone"),
    "a relative import": ({"top": "from .beside import x"}, "line 8.*relative import", "goes to the nodes alone"),
    "an import": ({"top": "import nosuch"}, "line 8.*ModuleNotFoundError", "install nosuch here and on every node"),
    "no method": ({"layers": "return [Layer(), Mine(features, classes)]"}, "no method `aggregate`", "def aggregate("),
    "in place": ({"transform": 'rows["mean"].relu_()'}, "line 22.*in-place", "relu() for relu_()"),
    "memory": ({"init": "torch.empty(1 << 60)"}, "line 13.*RuntimeError", "smaller numbers"),
    "a bare convolution": (
        {"top": "from torch_geometric.nn import GCNConv", "layers": "return [GCNConv(features, classes)]"},
        "not GCNConv",
        "models/sage.py",
    ),
}
TAKEN = {
    "nothing special": {},
    "dropout that is off": {"transform": "h = F.dropout(h, 0.5, training=False)"},
    "dropout of nothing": {"transform": "h = F.dropout(h, 0.0)"},
    "picluster's dropout": {"transform": "h = dropout(dropout(h, 0.5, rows).relu(), 0.2, rows)"},
    "torch's draws of weights": {"init": "self.w = nn.Parameter(torch.randn(outputs))", "transform": "h = h * self.w"},
    "a seeded constant": {"init": "self.c = float(np.random.default_rng(0).random())", "transform": "h = h * self.c"},
    "what is kept to look at": {"transform": "self.last, self.rows = h.detach(), len(h)"},
    "weight norm": {"init": "self.linear = nn.utils.parametrizations.weight_norm(self.linear)"},
    "a branch for training": {"transform": "h = 2 * h if self.training else h"},
    "gradients turned off": {"top": "torch.set_grad_enabled(False)"},
    "a frozen weight": {"init": "self.linear.bias.requires_grad_(False)"},
    "no numbers": {"transform": "h = h.log()"},
    "attention within a row": {
        "init": "self.a = nn.MultiheadAttention(outputs, 1, batch_first=True)",
        "transform": "h = self.a(h[:, None], h[:, None], h[:, None])[0][:, 0]",
    },
}


def written(folder: Path, parts: dict[str, str]) -> Path:
    file = folder / "model.py"
    (folder / "beside.py").write_text("x = 1")
    empty = {"top": "", "init": "pass", "aggregate": "pass", "transform": "pass", "layers": "pass"}
    file.write_text(MINE.format(**{**empty, **parts}))
    return file


@pytest.mark.parametrize(("parts", "message"), OTHER_PLANS.values(), ids=OTHER_PLANS)
def test_what_would_differ_between_plans_is_refused_with_its_line(
    tmp_path: Path, parts: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message) as refused:
        describe(written(tmp_path, parts), 8, 8, {})
    assert refused.value.fix


@pytest.mark.parametrize(("parts", "message", "fix"), OWN_CAUSES.values(), ids=OWN_CAUSES)
def test_an_error_of_a_model_file_is_told_with_its_own_cause(
    tmp_path: Path, parts: dict[str, str], message: str, fix: str
) -> None:
    if "torch_geometric" in parts.get("top", ""):
        pytest.importorskip("torch_geometric", reason="the model file wants it", exc_type=ImportError)
    with pytest.raises(InputError, match=message) as refused:
        describe(written(tmp_path, parts), 8, 8, {})
    assert fix in refused.value.fix


@pytest.mark.parametrize("parts", TAKEN.values(), ids=TAKEN)
def test_what_any_plan_computes_alike_is_taken(tmp_path: Path, parts: dict[str, str]) -> None:
    assert len(describe(written(tmp_path, parts), 8, 8, {}).layers) == 2


def test_a_refused_convolution_is_named_with_file_and_line(tmp_path: Path) -> None:
    pytest.importorskip("torch_geometric", reason="the model file wants it", exc_type=ImportError)
    top = "from torch_geometric.nn import ChebConv\nfrom picluster.nn import PygLayer\n"
    file = written(tmp_path, {"top": top, "layers": "return [PygLayer(ChebConv(features, classes, K=2))]"})
    with pytest.raises(
        InputError, match=r"layer 1 \(PygLayer\(ChebConv\)\) fails .* \(model\.py, line 28\): ChebConv looks"
    ):
        describe(file, 8, 8, {})


FIXED = """
from picluster.nn import SageLayer

def layers(*, features, classes, hidden=8):
    return [SageLayer(features, hidden), SageLayer(hidden, classes, last=True)]
"""


def test_a_model_without_depth_has_a_fixed_one(tmp_path: Path) -> None:
    file = tmp_path / "fixed.py"
    file.write_text(FIXED)
    described = describe(file, 5, 3, {})
    assert (len(described.layers), described.options) == (2, {"hidden": 8})
    assert describe(file, 5, 3, {"depth": 2}) == described
    with pytest.raises(InputError, match="has a fixed depth of 2, not 3") as refused:
        describe(file, 5, 3, {"depth": 3})
    assert "leave out --depth 3" in refused.value.fix


ORDINARY = """
import torch
from torch_geometric.nn import GATConv, GCNConv

class Net(torch.nn.Module):
    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.first = GCNConv(inputs, hidden)
        self.second = GATConv(hidden, outputs)
"""


def test_a_file_with_an_ordinary_module_is_told_how_to_write_it_and_that_works(tmp_path: Path) -> None:
    pytest.importorskip("torch_geometric", reason="the model file wants it", exc_type=ImportError)
    file = tmp_path / "net.py"
    file.write_text(ORDINARY)
    with pytest.raises(InputError, match="has no function `layers`") as refused:
        describe(file, 5, 3, {})
    told, _, lines = refused.value.fix.partition("\n")
    assert "Net is an ordinary torch.nn.Module" in told
    file.write_text(ORDINARY + textwrap.dedent(lines) + "\n")
    assert [layer.name for layer in describe(file, 5, 3, {}).layers] == ["PygLayer(GCNConv)", "PygLayer(GATConv)"]


def test_what_no_node_can_hold_is_refused_by_its_size_and_not_made() -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match=r"has 12,230,000,041 parameters: 48\.9 GB of weights"):
        describe(MODELS / "sage.py", 570, 41, {"hidden": 10_000_000})
    with pytest.raises(InputError, match="a depth of 100,000 is more than"):
        describe(MODELS / "sage.py", 570, 41, {"depth": 100_000})
    assert time.monotonic() - began < 20


def test_the_memory_of_a_layer_in_training_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(description, "memory_limit", lambda: 1 << 20)
    with pytest.raises(InputError, match=r"to train graph layer 1 \(SageLayer\) alone; here are 0\.0 GB"):
        describe(MODELS / "sage.py", 100, 3, {})
    assert len(describe(MODELS / "sage.py", 100, 3, {"hidden": 4}).layers) == 2


@pytest.mark.parametrize("where", ["top", "layers", "transform"])
def test_an_endless_loop_is_told_with_its_line(tmp_path: Path, where: str) -> None:
    file = written(tmp_path, {where: "while True: pass"})
    with limited(seconds=0.5), pytest.raises(InputError, match=r"\(.*line \d+\): it still runs after 0\.5 s"):
        describe(file, 8, 8, {})
