"""The trial of convolutions that people write themselves, share or change; what is written of their state."""

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import Linear, Module, Parameter

from picluster.errors import InputError
from picluster.nn import Layer, PygLayer
from picluster.nn.convolving import convolve
from picluster.nn.pyg_trial import UnfitError, block_form
from picluster.nn.trial_graph import trial_graphs
from picluster.worker.compute.checkpoint import read_weights, write

pyg = pytest.importorskip("torch_geometric.nn", reason="its convolutions are tried", exc_type=ImportError)
WIDTH = 6


class Wrapped(Module):
    """A convolution and something around it."""

    def __init__(self, after: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.convolution, self.after = pyg.SAGEConv(WIDTH, WIDTH), after

    def forward(self, x: Any, edge_index: Tensor) -> Tensor:
        return self.after(self.convolution(x, edge_index), edge_index)


def own_degree(h: Tensor, edges: Tensor, end: int) -> Tensor:
    return h * (1 + torch.bincount(edges[end], minlength=len(h))[:, None])


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (lambda h, _: h - h.mean(dim=0), "looks at the rows of all nodes"),
        (lambda h, _: h / len(h), "looks at the number of nodes"),
        (lambda h, _: h + torch.arange(len(h))[:, None], "looks at the numbers of nodes"),
        (lambda h, edges: own_degree(h, edges, 0), "looks at the edges out of a node"),
        (lambda h, edges: h * edges.shape[1], "looks at the edges between other nodes"),
        (lambda h, _: h + torch.rand(h.shape), "draws random numbers"),
        (lambda h, _: h + random.random(), "draws random numbers"),
        (lambda h, _: torch.nn.functional.dropout(h), "draws random numbers"),
        (lambda h, _: h.mean(dim=0), "instead of a row for each of 12 nodes"),
        (lambda h, _: h[:, :, None], "instead of a row for each of 12 nodes"),
        (lambda h, _: (h, h), "gives a tuple instead of rows"),
        (lambda h, _: h / 0, "gives values that are not finite"),
    ],
)
def test_what_a_module_around_a_convolution_looks_at_is_found(
    after: Callable[[Tensor, Tensor], Tensor], reason: str
) -> None:
    with pytest.raises(UnfitError, match=reason):
        block_form(Wrapped(after), WIDTH)


def test_a_module_that_looks_at_its_own_edges_alone_is_taken() -> None:
    assert block_form(Wrapped(lambda h, edges: own_degree(h, edges, 1)), WIDTH) == "bipartite"


def test_a_gradient_that_differs_is_found() -> None:
    def cut(h: Tensor, edges: Tensor) -> Tensor:
        return h if edges.shape[1] < 10 else h.detach()

    with pytest.raises(UnfitError, match="rows or gradients"):
        block_form(Wrapped(cut), WIDTH)


class Derived(pyg.GCNConv):  # type: ignore[misc, name-defined]
    """With nothing of its own."""


class OtherGCNConv(Module):
    """PyG's name, and its degrees, but not PyG's."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.normalize, self.add_self_loops = pyg.GCNConv(WIDTH, 3), True, True

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        found: Tensor = self.convolution(x, edge_index)
        return found


def test_gcn_is_known_by_its_class_and_not_by_its_name() -> None:
    assert block_form(Derived(WIDTH, 3), WIDTH) == "gcn"
    OtherGCNConv.__name__ = "GCNConv"
    with pytest.raises(UnfitError, match="the degrees of a node's neighbours"):
        block_form(OtherGCNConv(), WIDTH)


def test_layers_may_be_made_of_the_same_gcn_which_stays_as_its_author_made_it() -> None:
    shared = pyg.GCNConv(WIDTH, WIDTH)
    layers = [PygLayer(shared), PygLayer(shared)]
    graph = trial_graphs(WIDTH)[0]
    for _ in layers:
        assert block_form(shared, WIDTH) == "gcn"
        for block in graph.blocks():
            assert block.source_ids is not None
            rows = convolve(shared, "gcn", block, graph.h[block.source_ids.long()])
            torch.testing.assert_close(rows, shared(graph.h, graph.edges)[block.ids.long()])
    assert shared.normalize


def test_a_trial_draws_no_number_that_the_model_would_have_drawn_and_leaves_the_convolution_alone() -> None:
    convolution, random_one = pyg.GCNConv(WIDTH, 3, cached=True), pyg.SuperGATConv(WIDTH, 3)
    before = copy.deepcopy(convolution.state_dict())
    torch.manual_seed(5)
    drawn, others = torch.get_rng_state(), random.getstate()
    block_form(convolution, WIDTH)
    with pytest.raises(UnfitError):
        block_form(random_one, WIDTH)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert random.getstate() == others
    assert all(torch.equal(value, before[name]) for name, value in convolution.state_dict().items())
    assert convolution._cached_edge_index is None


def test_refusals_are_errors_of_input_with_a_fix() -> None:
    with pytest.raises(InputError) as caught:
        block_form(pyg.ChebConv(WIDTH, 3, K=2), WIDTH)
    assert "\n" not in caught.value.what
    assert caught.value.fix
    for made in (pyg.SAGEConv(WIDTH, 3).double(), pyg.GATConv(WIDTH, 3, flow="target_to_source")):
        with pytest.raises(UnfitError):
            PygLayer(made)


class Tied(Module):
    """A weight by two names, one that is not trained, and one stored column after column."""

    def __init__(self) -> None:
        super().__init__()
        self.one = Linear(WIDTH, WIDTH, bias=False)
        self.other = Linear(WIDTH, WIDTH, bias=False)
        self.other.weight = self.one.weight
        self.frozen = Parameter(torch.ones(2), requires_grad=False)
        self.turned = Parameter(torch.arange(6.0).view(2, 3).t())
        self.register_buffer("count", torch.tensor(3))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)

    def forward(self, x: Tensor, _edges: Tensor) -> Tensor:
        return self.other(self.one(x).relu())  # type: ignore[no-any-return]


class TiedLayer(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Tied()


@pytest.mark.parametrize("layer", [PygLayer(Tied()), TiedLayer()])
def test_all_that_is_in_the_state_is_written_and_read_and_only_what_is_trained_is_a_weight(
    layer: Layer, tmp_path: Path
) -> None:
    prefix = "" if isinstance(layer, PygLayer) else "inner."
    assert set(layer.weights()) == {f"{prefix}one.weight", f"{prefix}turned"}
    file = tmp_path / "weights"
    write(file, {**layer.weights(), **layer.fixed_values()})
    state = {name.removeprefix(prefix): value for name, value in load_file(file).items()}
    plain = Tied()
    with torch.no_grad():
        for value in plain.state_dict().values():
            value.zero_()
    plain.load_state_dict(state, strict=True)
    assert plain.count == 3
    assert torch.equal(plain.other.weight, plain.one.weight)
    assert bool(plain.one.weight.any())
    other = type(layer)(Tied()) if isinstance(layer, PygLayer) else type(layer)()
    read_weights(file, other.weights(), other.fixed_values())
    theirs = layer.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in other.state_dict().items())


def test_a_file_without_fixed_values_leaves_those_of_the_model(tmp_path: Path) -> None:
    layer = PygLayer(pyg.GINConv(Linear(WIDTH, 3), eps=0.5))
    write(tmp_path / "weights", layer.weights())
    read_weights(tmp_path / "weights", layer.weights(), layer.fixed_values())
    assert layer.fixed_values()["eps"] == 0.5
