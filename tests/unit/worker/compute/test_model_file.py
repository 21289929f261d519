"""Model files: what is refused and how, and what a description says."""

import os
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from picluster.errors import InputError
from picluster.schema.model import ModelDescription
from picluster.schema.record import from_json, to_json
from picluster.worker.compute.model_file import build
from picluster.worker.describing.description import describe

MODELS = Path(__file__).parents[4] / "models"
HEAD = "from picluster.nn import GcnLayer, Layer, SageLayer\n"
SIGNATURE = "def layers(*, features, classes, depth=2, hidden=16):\n"

LAYERS = "    return [SageLayer(features, hidden), SageLayer(hidden, classes, last=True)]\n"

BROKEN = {
    "a syntax error names the line": ("\n\ndef layers(:\n", r"broken\.py.*line 3.*SyntaxError"),
    "a file that raises": ("raise OSError('no disk')\n", r"broken\.py does not load \(line 1\): OSError: no disk"),
    "no function": ("x = 1\n", r"has no function `layers`"),
    "layers is no function": ("layers = 3\n", r"has no function `layers`"),
    "no features": ("def layers(*, classes, depth=2):\n    return []\n", r"does not take features"),
    "no default": ("def layers(*, features, classes, width):\n    return []\n", r"has no default for width"),
    "a function that raises": (SIGNATURE + "    raise ZeroDivisionError('oh')\n", r"ZeroDivisionError: oh"),
    "no layer": (SIGNATURE + "    return []\n", r"must return a list of picluster.nn.Layer"),
    "not a layer": (SIGNATURE + "    return [3]\n", r"must return a list of picluster.nn.Layer"),
}


def written(folder: Path, text: str) -> Path:
    file = folder / "broken.py"
    file.write_text(text)
    return file


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_model_file_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(written(tmp_path, text), 5, 3, {}, seed=0)


def test_a_single_layer_instead_of_a_list_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, HEAD + SIGNATURE + "    return GcnLayer(features, classes, last=True)\n")
    with pytest.raises(InputError, match=r"must return a list"):
        build(file, 5, 3, {}, seed=0)


def test_layers_may_come_from_a_generator(tmp_path: Path) -> None:
    file = written(tmp_path, HEAD + SIGNATURE + "    yield GcnLayer(features, classes, last=True)\n")
    assert len(build(file, 5, 3, {}, seed=0)) == 1


def test_a_file_is_what_it_holds_now_and_nothing_is_written_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "mine.py"
    widths: list[int] = []
    for hidden in (16, 32):
        file.write_text(HEAD + SIGNATURE.replace("16", str(hidden)) + LAYERS)
        os.utime(file, (1e9, 1e9))  # bytecode is known by second and size, which are the same
        widths += describe(file, 5, 3, {}).layers[0].output.values()
    assert widths == [16, 32]
    assert list(tmp_path.iterdir()) == [file]


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no model file .*nowhere\.py"):
        build(tmp_path / "nowhere.py", 5, 3, {}, seed=0)


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"model gcn has no option width") as refused:
        build(MODELS / "gcn.py", 5, 3, {"width": 3}, seed=0)
    assert "depth, hidden, dropout" in refused.value.fix


def test_an_option_of_a_wrong_value_is_refused_with_the_options() -> None:
    with pytest.raises(
        InputError, match=r"cannot be built with \{'dropout': 1\.5\} \(line \d+\): ValueError: dropout must lie"
    ):
        build(MODELS / "gcn.py", 5, 3, {"dropout": 1.5}, seed=0)


def test_layers_that_do_not_chain_are_refused_with_their_number(tmp_path: Path) -> None:
    text = HEAD + SIGNATURE + "    return [GcnLayer(features, hidden), SageLayer(hidden + 1, classes, last=True)]\n"
    with pytest.raises(InputError, match=r"layer 2 \(SageLayer\) cannot take what comes before it"):
        describe(written(tmp_path, text), 5, 3, {})


def test_a_last_layer_of_another_width_than_the_classes_is_refused(tmp_path: Path) -> None:
    text = HEAD + SIGNATURE + "    return [GcnLayer(features, classes + 1, last=True)]\n"
    with pytest.raises(InputError, match=r"gives \{'h': 4\}, but the graph has 3 classes"):
        describe(written(tmp_path, text), 5, 3, {})


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_descriptions_tell_widths_parameters_and_all_options(depth: int) -> None:
    sage = describe(MODELS / "sage.py", 10, 3, {"depth": depth, "hidden": 8})
    assert sage.options == {"depth": depth, "hidden": 8, "dropout": 0.5}
    inputs = [10, *[8] * (depth - 1)]
    outputs = [*[8] * (depth - 1), 3]
    assert [layer.aggregated for layer in sage.layers] == [{"mean": width, "self": width} for width in inputs]
    assert [layer.output for layer in sage.layers] == [{"h": width} for width in outputs]
    assert [layer.parameters for layer in sage.layers] == [
        (2 * i + 1) * o for i, o in zip(inputs, outputs, strict=True)
    ]
    gcn = describe(MODELS / "gcn.py", 10, 3, {"depth": depth, "hidden": 8})
    assert [layer.aggregated for layer in gcn.layers] == [{"h": width} for width in inputs]
    assert [layer.parameters for layer in gcn.layers] == [(i + 1) * o for i, o in zip(inputs, outputs, strict=True)]
    assert from_json(ModelDescription, to_json(gcn), source="test") == gcn


def test_a_seed_fixes_the_parameters_whatever_was_drawn_before_and_another_seed_changes_them() -> None:
    def parameters(seed: int) -> torch.Tensor:
        torch.rand(seed + 1)
        layers = build(MODELS / "sage.py", 10, 3, {}, seed=seed)
        return torch.cat([parameter.detach().flatten() for layer in layers for parameter in layer.weights().values()])

    assert torch.equal(parameters(1), parameters(1))
    assert not torch.equal(parameters(1), parameters(2))


def test_a_model_file_of_ones_own_may_write_its_own_layer(tmp_path: Path) -> None:
    text = """
        from torch.nn import Linear
        from picluster.nn import Layer

        class Mine(Layer):
            def __init__(self, inputs, outputs):
                super().__init__()
                self.linear = Linear(2 * inputs, outputs)

            def aggregate(self, block, rows):
                return block.rows(mean=block.mean(rows["h"]), own=block.targets(rows["h"]))

            def transform(self, rows):
                import torch
                return rows.having(h=self.linear(torch.cat([rows["mean"], rows["own"]], dim=1)))

        def layers(*, features, classes, depth=1):
            return [Mine(features, classes)]
    """
    described = describe(written(tmp_path, textwrap.dedent(text)), 5, 3, {})
    assert [(layer.name, layer.parameters) for layer in described.layers] == [("Mine", 33)]


UNFIT = {
    "BatchNorm1d": "torch.nn.BatchNorm1d(outputs)",
    "InstanceNorm1d": "torch.nn.InstanceNorm1d(outputs)",
    "Dropout": "torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Dropout(0.1))",
    "AlphaDropout": "torch.nn.AlphaDropout(0.1)",
}
HOLDING = """
import torch
from picluster.nn import DenseLayer, GcnLayer

class Holding(GcnLayer):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, last=True)
        self.held = {held}

def layers(*, features, classes, depth=1):
    return [DenseLayer(features, features), Holding(features, classes)]
"""


@pytest.mark.parametrize(("name", "held"), UNFIT.items())
def test_what_keeps_a_state_or_draws_by_itself_is_refused_with_place_and_name(
    tmp_path: Path, name: str, held: str
) -> None:
    file = written(tmp_path, HOLDING.format(held=held))
    with pytest.raises(InputError, match=rf"layer 2 \(Holding\) has a {name}, which would differ") as refused:
        build(file, 5, 3, {}, seed=0)
    assert refused.value.fix == ("use picluster.nn.Dropout" if "Drop" in name else "use LayerNorm")


def test_layer_norm_is_taken(tmp_path: Path) -> None:
    file = written(tmp_path, HOLDING.format(held="torch.nn.LayerNorm(outputs)"))
    assert len(build(file, 5, 3, {}, seed=0)) == 1


def test_a_width_left_open_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch_geometric", reason="its convolutions take -1", exc_type=ImportError)
    text = """
        from torch_geometric.nn import SAGEConv
        from picluster.nn import PygLayer

        def layers(*, features, classes, depth=1):
            return [PygLayer(SAGEConv(-1, classes), last=True)]
    """
    with pytest.raises(InputError, match=r"layer 1 \(PygLayer\(SAGEConv\)\) leaves its width open") as refused:
        build(written(tmp_path, textwrap.dedent(text)), 5, 3, {}, seed=0)
    assert "-1" in refused.value.fix


def test_only_dense_layers_are_refused(tmp_path: Path) -> None:
    text = "from picluster.nn import DenseLayer\n" + SIGNATURE + "    return [DenseLayer(features, classes)]\n"
    with pytest.raises(InputError, match="at least one layer that looks at neighbours"):
        build(written(tmp_path, text), 5, 3, {}, seed=0)


def test_dropout_of_the_features_of_all_nodes_is_refused_before_anything_starts(tmp_path: Path) -> None:
    head = "from picluster.nn import DenseLayer, Gcn2Layer\n" + SIGNATURE
    graph_layer = "Gcn2Layer(features, 1, dropout=0.5, last=True), DenseLayer(features, classes, last=True)"
    with pytest.raises(InputError, match=r"layer 1 \(Gcn2Layer\).*rows of all nodes.*") as refused:
        describe(written(tmp_path, f"{head}    return [{graph_layer}]\n"), 5, 3, {})
    assert "DenseLayer" in str(refused.value)
    projected = f"{head}    return [DenseLayer(features, features), {graph_layer}]\n"
    assert len(describe(written(tmp_path, projected), 5, 3, {}).layers) == 1


def test_gcnii_tells_widths_training_defaults_and_what_it_carries() -> None:
    described = describe(MODELS / "gcnii.py", 10, 3, {"depth": 3, "hidden": 8})
    both, mixed = {"h": 8, "h0": 8}, {"h": 8}
    assert [layer.aggregated for layer in described.layers] == [both, both, mixed]
    assert [layer.output for layer in described.layers] == [both, both, {"h": 3}]
    assert [layer.parameters for layer in described.layers] == [64 + 10 * 8 + 8, 64, 64 + 8 * 3 + 3]
    assert (described.training.patience, described.training.monitor) == (100, "loss")


WHOLE_TABLE = """
from picluster.nn import SageLayer

class Forgetful(SageLayer):
    def aggregate(self, block, rows):
        return block.rows(mean=block.mean(rows["h"]), self={own})

def layers(*, features, classes, depth=1):
    return [Forgetful(features, classes, last=True)]
"""


@pytest.mark.parametrize("own", ['rows["h"]', 'block.targets(rows["h"])[0]', 'block.targets(rows["h"]).double()'])
def test_aggregated_rows_that_are_not_one_for_each_target_in_fp32_are_refused_by_name(tmp_path: Path, own: str) -> None:
    with pytest.raises(
        InputError, match=r"layer 1 \(Forgetful\).*its rows `self` are not \(targets, width\) in float32"
    ):
        describe(written(tmp_path, WHOLE_TABLE.replace("{own}", own)), 5, 3, {})
    assert (
        len(describe(written(tmp_path, WHOLE_TABLE.replace("{own}", 'block.targets(rows["h"])')), 5, 3, {}).layers) == 1
    )
