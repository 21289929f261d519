"""A model built twice, as two nodes would: the same weights must come out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import torch

from picluster.errors import InputError
from picluster.schema.spec import OptionValue
from picluster.worker.compute.graph_layer import GraphLayer, Part
from picluster.worker.compute.model_fault import definition_of
from picluster.worker.compute.model_file import load, make, parameters_of
from picluster.worker.compute.tracing import name_of
from picluster.worker.describing import generators
from picluster.worker.describing.isolation import muted
from picluster.worker.describing.lines import line_that_changes


@dataclass(frozen=True)
class Built:
    """A model file as one process sees it."""

    builder: ModelBuilder
    module: ModuleType
    layers: list[GraphLayer]

    @property
    def options(self) -> dict[str, OptionValue]:
        """Every option of `layers`, defaults included, as far as it can be told in JSON."""
        defaults = {name: each.default for name, each in parameters_of(self.module.layers).items()}
        plain = {name: value for name, value in defaults.items() if isinstance(value, OptionValue)}
        given = {name: value for name, value in self.builder.options.items() if name != "depth" or name in defaults}
        return {**plain, **given}


@dataclass(frozen=True)
class ModelBuilder:
    """A model file, and what its `layers` is called with."""

    file: Path
    features: int
    classes: int
    options: dict[str, OptionValue]

    def build(self, *, on_meta: bool = False) -> Built:
        """Load the file and make its layers."""
        module = load(self.file)
        layers = make(module, self.file, self.features, self.classes, self.options, seed=0, on_meta=on_meta)
        return Built(self, module, layers)


ANOTHER_SEED = 20201
FROM_TORCH = (
    "draw it from torch's generator, which picluster seeds alike on every node: torch.randn(…); "
    "seed none by clock, process or name"
)


def refuse_other_weights(one: Built, other: Built) -> None:
    """Raise InputError where the seed of the run does not fix all weights."""
    for layer, twin in zip(one.layers, other.layers, strict=True):
        for part, part_of_twin in zip(layer.parts, twin.parts, strict=True):
            _compare(one.builder, part, part_of_twin)


def _compare(builder: ModelBuilder, part: Part, twin: Part) -> None:
    weights, of_twin = part.weights(), twin.weights()
    late = sorted(weights.keys() - of_twin.keys())
    if late:
        where = definition_of(part.layer, "__init__") or builder.file.name
        message = f"{where}: {name_of(part)} makes its weight {late[0]} when it is first called"
        raise InputError(message, fix="make it in __init__, so that every node has it from the beginning")
    for name, weight in weights.items():
        if weight._version > of_twin[name]._version:  # noqa: SLF001  the twin has not been used
            where = definition_of(part.layer, "transform") or builder.file.name
            message = f"{where}: {name_of(part)} changes its weight {name.split('.', 2)[-1]} when it is called"
            fix = "leave weights to the optimizer: w = self.w.clamp(…) in `transform` keeps self.w"
            raise InputError(message, fix=fix)
        if not torch.equal(weight.nan_to_num(), of_twin[name].nan_to_num()):
            generator, line = drawn_while_built(builder)
            source = f": it is drawn from {generator}" if generator else ", or is changed when the layer is called"
            what = f"the weight {name.split('.', 2)[-1]} of {name_of(part)} begins with other values on every node"
            raise InputError(f"{line or builder.file.name}: {what}{source}", fix=FROM_TORCH)


def drawn_while_built(builder: ModelBuilder) -> tuple[str, str]:
    """A generator that picluster does not seed and the model file draws from while it is built, and the line."""
    for name in ("numpy", "python"):
        with muted(), generators.seeded(ANOTHER_SEED):
            line = line_that_changes(builder.build, partial(generators.state, name))
        if line:
            return generators.NAMES[name], line
    return "", ""
