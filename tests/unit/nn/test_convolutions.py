"""Every convolution of PyG: what works equals PyG on the whole graph, what is refused differs.

`PICLUSTER_WRITE_TABLES=1 pytest tests/unit/nn/test_convolutions.py` writes the table of the docs.
"""

import copy
import os
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import Module, ModuleList
from torch.nn.functional import cross_entropy

from picluster.errors import InputError
from picluster.nn import PygLayer
from picluster.nn.pyg_trial import block_form
from picluster.worker.compute.checkpoint import write
from picluster.worker.compute.graph_layer import arrange
from tests.unit.nn.convolutions import MADE_AS, make
from tests.unit.nn.random_blocks import CLASSES, FEATURES, LABELS, SEEDS, X, full_graph, ours, sampled

pyg = pytest.importorskip("torch_geometric.nn", reason="its convolutions are tried", exc_type=ImportError)

TABLE = Path(__file__).parents[3] / "docs" / "convolutions.md"
BEGIN, END = "<!-- written by tests/unit/nn/test_convolutions.py -->\n", "<!-- end -->\n"
LOCKED = "2.8.1"
BLOCKS = "a node, its neighbours"
LOOK = {
    "bipartite": BLOCKS,
    "square": BLOCKS,
    "gcn": "the same, and degrees, which picluster gives it of the whole graph",
}
ALONE = 3
"""Nodes without edges at the end of the graph in which refusals are looked at."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """So small products are slower with more, most of all where other work goes on."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def outcome(made_as: str) -> tuple[str, str]:
    """`works`, `refused` or `not tried`, and the reason."""
    try:
        convolution = make(made_as, FEATURES)
    except (ImportError, ValueError) as error:
        return "not tried", f"cannot be made here: {str(error).split('.', maxsplit=1)[0]}"
    try:
        PygLayer(convolution)
        return "works", LOOK[block_form(convolution, FEATURES)]
    except InputError as error:
        return "refused", f"{error.what.split(' ', 1)[1]} → {error.fix}"


def redrawn(made_as: str, width: int) -> Any:
    """With weights that are nowhere zero, which would hide what they act on."""
    convolution, generator = make(made_as, width), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in convolution.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.2)
    return convolution


def scores(layers: list[PygLayer], whole: list[Any]) -> Tensor:
    """Plain PyG, on the whole graph."""
    h = X
    for layer, convolution in zip(layers, whole, strict=True):
        h = convolution(h, full_graph())
        h = h if layer.last else h.relu()
    return h[SEEDS]


def assert_equal_to_pyg(convolutions: list[Any]) -> None:
    """Loss and gradients of a stage on blocks, and of the same convolutions on the whole graph."""
    whole = copy.deepcopy(convolutions)
    layers = [PygLayer(each, last=each is convolutions[-1]) for each in convolutions]
    their_loss = cross_entropy(scores(layers, whole), LABELS[SEEDS])
    loss, gradients = ours(arrange(layers), sampled(None, len(layers)), None)
    assert loss == pytest.approx(their_loss.item(), rel=1e-4)
    theirs = {f"convs.{at}.{name}": weight for at, each in enumerate(whole) for name, weight in each.named_parameters()}
    assert set(gradients) == set(theirs)
    expected = torch.autograd.grad(their_loss, list(theirs.values()), allow_unused=True, materialize_grads=True)
    for name, their in zip(theirs, expected, strict=True):
        difference = (gradients[name] - their.double().reshape(-1)).norm()
        assert difference <= 1e-4 * max(float(their.norm()), 1e-2), name


def assert_exported(convolution: Any, made_as: str, folder: Path) -> None:
    """What is written loads strictly into PyG's own, and gives the same rows."""
    (layer,) = arrange([PygLayer(convolution)])
    fixed = {name: value for part in layer.parts for name, value in part.fixed_values().items()}
    write(folder / "weights", {**fixed, **layer.weights()})
    plain = Module()
    plain.convs = ModuleList([make(made_as, FEATURES)])
    with torch.no_grad():
        for value in plain.state_dict().values():
            value.zero_()
    plain.load_state_dict(load_file(folder / "weights"), strict=True)
    torch.testing.assert_close(plain.convs[0](X, full_graph()), convolution(X, full_graph()), rtol=0, atol=0)


def rows(convolution: Any, h: Tensor, edges: Tensor) -> Tensor | None:
    """None where it fails, or gives something else."""
    try:
        with torch.no_grad():
            found = copy.deepcopy(convolution)(h, edges)
    except Exception:  # noqa: BLE001  every convolution refuses in its own way
        return None
    return found if isinstance(found, Tensor) and found.dim() == 2 else None


def differ(one: Tensor | None, other: Tensor | None) -> bool:
    return one is None or other is None or not torch.allclose(one, other, atol=1e-4)


def a_block_differs(convolution: Any) -> bool:
    """The rows of some nodes, one without edges among them, in the graph and in the block of their neighbourhoods."""
    h, edges = torch.cat([X, X[:ALONE]]), full_graph()
    targets = torch.cat([torch.tensor([len(h) - 1]), torch.from_numpy(SEEDS).long()])
    into = edges[:, torch.isin(edges[1], targets)]
    ids = torch.cat([targets, *(node[None] for node in torch.unique(into[0]) if node not in targets)])
    number = torch.zeros(len(h), dtype=torch.long)
    number[ids] = torch.arange(len(ids))
    whole, part = rows(convolution, h, edges), rows(convolution, h[ids], number[into])
    return differ(None if whole is None else whole[targets], None if part is None else part[: len(targets)])


def draws(convolution: Any) -> bool:
    before, others = torch.get_rng_state(), random.getstate()
    convolution.train()(X, full_graph())
    return not torch.equal(before, torch.get_rng_state()) or others != random.getstate()


def changes_state(convolution: Any) -> bool:
    before = copy.deepcopy(convolution.state_dict())
    convolution.train()(X, full_graph())
    return any(not torch.equal(value, before[name]) for name, value in convolution.state_dict().items())


def keeps_edges(convolution: Any) -> bool:
    fresh = copy.deepcopy(convolution)
    convolution(X, full_graph())
    some = full_graph()[:, ::2]
    return differ(convolution(X, some), fresh(X, some))


EVIDENCE: dict[str, Callable[[Any], bool]] = {
    "the order of edges": lambda each: differ(rows(each, X, full_graph()), rows(each, X, full_graph().flip(1))),
    "looks at": a_block_differs,
    "sends from targets": a_block_differs,
    "draws random numbers": draws,
    "would drop": draws,
    "changes its": changes_state,
    "keeps what": keeps_edges,
    "fails on a block": lambda each: rows(each, X[:1], full_graph()[:, :0]) is None,
    "needs": lambda each: rows(each, X, full_graph()) is None,
    "does not run": lambda each: rows(each, X, full_graph()) is None,
    "instead of": lambda each: rows(each, X, full_graph()) is None,
}
"""That a reason is one."""


SOME = range(0, len(MADE_AS), 5)
"""Numbers of those that are tried where time is short."""


@pytest.mark.parametrize(
    "made_as",
    [pytest.param(each, marks=[] if n in SOME else pytest.mark.slow) for n, each in enumerate(MADE_AS)],
)
def test_what_works_equals_pyg_in_the_whole_graph_and_what_is_refused_does_not(made_as: str, tmp_path: Path) -> None:
    verdict, reason = outcome(made_as)
    if verdict == "works":
        convolution = redrawn(made_as, FEATURES)
        width = copy.deepcopy(convolution)(X, full_graph()).shape[1]
        assert_equal_to_pyg([convolution, pyg.SAGEConv(width, CLASSES)])
        hidden = redrawn(made_as, FEATURES)
        assert_equal_to_pyg([pyg.SAGEConv(FEATURES, FEATURES), hidden, pyg.SAGEConv(width, CLASSES)])
        assert_exported(convolution, made_as, tmp_path)
    elif verdict == "refused":
        evidence = next(found for words, found in EVIDENCE.items() if words in reason)
        assert evidence(redrawn(made_as, FEATURES)), reason


def test_every_convolution_that_pyg_ships_is_tried() -> None:
    tried = {made_as.split("(")[0] for made_as in MADE_AS}
    assert set(pyg.conv.__all__) <= tried, set(pyg.conv.__all__) - tried


def table() -> str:
    """In Markdown."""
    found = [(made_as, *outcome(made_as)) for made_as in MADE_AS]
    lines = (f"| `{made_as}` | {verdict} | {reason} |" for made_as, verdict, reason in found)
    return "\n".join(["| convolution | here | looks at, or why not → what to do |", "|---|---|---|", *lines]) + "\n"


@pytest.mark.slow
def test_the_table_in_the_docs_says_what_is_found() -> None:
    torch_geometric = pytest.importorskip("torch_geometric")
    if torch_geometric.__version__ != LOCKED or torch_geometric.typing.WITH_TORCH_SPARSE:
        pytest.skip(f"the table is of PyG {LOCKED} without torch-sparse")
    head, rest = TABLE.read_text().split(BEGIN)
    kept, tail = rest.split(END)
    if os.environ.get("PICLUSTER_WRITE_TABLES"):
        TABLE.write_text(head + BEGIN + table() + END + tail)
    else:
        assert kept == table()
