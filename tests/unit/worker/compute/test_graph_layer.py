"""How the layers of a model file's list are arranged, and by what names their weights are known."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from picluster.errors import InputError
from picluster.nn import DenseLayer, GcnLayer, Layer, Rows, SageLayer
from picluster.randomness import Purpose, key
from picluster.schema.spec import Adam, ModelChoice, Spec
from picluster.worker.compute.checkpoint import write
from picluster.worker.compute.graph_layer import GraphLayer, arrange, boundary
from picluster.worker.compute.model_file import build
from picluster.worker.compute.stage import Stage, StageData

MODELS = Path(__file__).parents[4] / "models"
FEATURES, HIDDEN, CLASSES = 6, 8, 3


def of_kinds(kinds: str) -> list[Layer]:
    """`d` for a dense layer, `g` for one that looks at neighbours; all of one width."""
    return [DenseLayer(4, 4) if kind == "d" else GcnLayer(4, 4) for kind in kinds]


def drawn(layers: list[GraphLayer]) -> list[str]:
    return ["".join("g" if part is layer.main else "d" for part in layer.parts) for layer in layers]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("g", ["g"]),
        ("gg", ["g", "g"]),
        ("dg", ["dg"]),
        ("gd", ["gd"]),
        ("ddgdd", ["ddgdd"]),
        ("dgdg", ["dgd", "g"]),
        ("gddggd", ["gdd", "g", "gd"]),
    ],
)
def test_dense_layers_belong_to_the_graph_layer_before_them_or_to_the_first(kinds: str, expected: list[str]) -> None:
    assert drawn(arrange(of_kinds(kinds))) == expected


@given(kinds=st.text("dg", min_size=1, max_size=9).filter(lambda kinds: "g" in kinds))
def test_arranging_keeps_all_layers_in_their_order_and_names_each_kind_by_its_place_in_it(kinds: str) -> None:
    layers = of_kinds(kinds)
    arranged = arrange(layers)
    parts = [part for layer in arranged for part in layer.parts]
    assert [part.layer for part in parts] == layers
    assert [part.place for part in parts] == list(range(1, len(kinds) + 1))
    assert [layer.number for layer in arranged] == list(range(1, kinds.count("g") + 1))
    assert not any(layer.before for layer in arranged[1:])
    for kind, name in (("g", "convs"), ("d", "lins")):
        names = [part.name for part, each in zip(parts, kinds, strict=True) if each == kind]
        assert names == [f"{name}.{place}" for place in range(kinds.count(kind))]


def test_a_model_without_a_layer_that_looks_at_neighbours_is_refused() -> None:
    with pytest.raises(InputError, match="at least one layer that looks at neighbours"):
        arrange(of_kinds("dd"))


def exported(folder: Path, name: str, depth: int) -> dict[str, torch.Tensor]:
    """A model's weights as two stages write them, merged."""
    options = {"depth": depth, "hidden": HIDDEN}
    spec = Spec(
        dataset="any",
        model=ModelChoice(name=name, depth=depth, options={}),
        fanout=None,
        batch_size=None,
        micro_batches=1,
        epochs=1,
        seed=3,
        optimizer=Adam(learning_rate=0.1, weight_decay=(0.0,) * depth),
    )
    found: dict[str, torch.Tensor] = {}
    for numbers in (range(1, depth), range(depth, depth + 1)):
        model = build(MODELS / f"{name}.py", FEATURES, CLASSES, {**options}, seed=3)
        data = StageData(torch.ones(2, dtype=torch.int32), None, None)
        stage = Stage(model, numbers, spec=spec, width=FEATURES, data=data)
        write(folder / "weights", {**stage.parameters, **stage.fixed_values})
        tensors = load_file(folder / "weights")
        assert not set(tensors) & set(found)
        found |= tensors
    return found


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize(("name", "theirs"), [("sage", "GraphSAGE"), ("gcn", "GCN")])
def test_models_of_pyg_load_the_exported_weights_and_score_alike(
    tmp_path: Path, name: str, theirs: str, depth: int
) -> None:
    pyg = pytest.importorskip("torch_geometric.nn", reason="it is what we compare with", exc_type=ImportError)
    model = getattr(pyg, theirs)(FEATURES, HIDDEN, depth, CLASSES)
    model.load_state_dict(exported(tmp_path, name, depth), strict=True)
    ring = torch.arange(5)
    edges = torch.stack([torch.cat([ring, ring.roll(1)]), torch.cat([ring.roll(1), ring])])
    h = x = torch.randn(5, FEATURES, generator=torch.Generator().manual_seed(0))
    for layer in build(MODELS / f"{name}.py", FEATURES, CLASSES, {"depth": depth, "hidden": HIDDEN}, seed=3):
        h = on_a_ring(layer.main.layer, h)
    torch.testing.assert_close(model.eval()(x, edges), h, rtol=1e-5, atol=1e-6)


def on_a_ring(layer: Layer, h: torch.Tensor) -> torch.Tensor:
    """The layer written out for a ring, where every node has two neighbours."""
    around = h.roll(1, 0) + h.roll(-1, 0)
    found: torch.Tensor
    if isinstance(layer, SageLayer):
        found = layer.lin_l(around / 2) + layer.lin_r(h)
    else:
        assert isinstance(layer, GcnLayer)
        found = layer.lin((h + around) / 3) + layer.bias
    return found if layer.last else found.relu()


def test_gcnii_names_its_weights_as_pygs_convolutions_and_linear_layers_do(tmp_path: Path) -> None:
    pyg = pytest.importorskip("torch_geometric.nn", reason="it is what we compare with", exc_type=ImportError)
    depth = 3
    theirs = torch.nn.Module()
    theirs.convs = torch.nn.ModuleList([pyg.GCN2Conv(HIDDEN, 0.1, 0.5, layer=n) for n in range(1, depth + 1)])
    pairs = pairwise([FEATURES, HIDDEN, CLASSES])
    theirs.lins = torch.nn.ModuleList([torch.nn.Linear(inputs, outputs) for inputs, outputs in pairs])
    theirs.load_state_dict(exported(tmp_path, "gcnii", depth), strict=True)


def test_a_layer_is_in_training_where_there_is_a_key_for_its_dropout_and_only_there() -> None:
    part = arrange([GcnLayer(3, 3)])[0].main
    rows = Rows({"h": torch.ones(2, 3)}, torch.arange(2, dtype=torch.int32))
    for dropout_key in (None, key(0, Purpose.DROPOUT, 1), None):
        part.transform(rows, dropout_key)
        assert {module.training for module in part.layer.modules()} == {dropout_key is not None}


def test_gradients_pass_a_boundary_contiguous_and_one_for_each_name() -> None:
    seen: list[tuple[int, ...]] = []
    h = torch.ones(4, 3, requires_grad=True)
    twice = (2 * h).t().contiguous().t()
    twice.register_hook(lambda gradient: seen.append(gradient.stride()))  # type: ignore[no-untyped-call]
    passed = boundary(Rows({"h": twice, "h0": twice}, torch.arange(4, dtype=torch.int32)))
    assert all(tensor.is_contiguous() for tensor in passed.tensors.values())
    (passed["h"].t() @ torch.ones(4, 1)).sum().backward()  # type: ignore[no-untyped-call]
    assert seen == [(3, 1)]
    assert torch.equal(h.grad if h.grad is not None else h, torch.full((4, 3), 2.0))
