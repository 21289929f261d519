"""Model files: what is refused and how, and what a description says."""

import textwrap
from pathlib import Path

import pytest
import torch

from picluster.errors import InputError
from picluster.schema.model import ModelDescription
from picluster.schema.record import from_json, to_json
from picluster.worker.model import build, describe

MODELS = Path(__file__).parents[3] / "models"
HEAD = "from picluster.nn import GcnLayer, Layer, SageLayer\n"
SIGNATURE = "def layers(*, features, classes, depth=2, hidden=16):\n"

BROKEN = {
    "a syntax error names the line": ("\n\ndef layers(:\n", r"broken\.py.*line 3.*SyntaxError"),
    "a file that raises": ("raise OSError('no disk')\n", r"broken\.py does not load: OSError: no disk"),
    "no function": ("x = 1\n", r"has no function `layers`"),
    "layers is no function": ("layers = 3\n", r"has no function `layers`"),
    "no depth": ("def layers(*, features, classes):\n    return []\n", r"does not take depth"),
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


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no model file .*nowhere\.py"):
        build(tmp_path / "nowhere.py", 5, 3, {}, seed=0)


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"model gcn has no option width") as refused:
        build(MODELS / "gcn.py", 5, 3, {"width": 3}, seed=0)
    assert "depth, hidden, dropout" in refused.value.fix


def test_an_option_of_a_wrong_value_is_refused_with_the_options() -> None:
    with pytest.raises(InputError, match=r"cannot be built with \{'dropout': 1\.5\}: ValueError: dropout must lie"):
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
