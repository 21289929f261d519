"""A model file described: layers, widths, parameters; refused where plans would differ, or nothing holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picluster.errors import InputError
from picluster.schema.model import LayerDescription, ModelDescription, Pretraining, TrainingDefaults
from picluster.schema.spec import OptionValue
from picluster.worker.compute.tracing import trace
from picluster.worker.describing.building import Recipe, refuse_other_weights
from picluster.worker.describing.probe import probe
from picluster.worker.describing.sizes import refuse_what_no_node_holds

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from picluster.worker.compute.graph_layer import GraphLayer


def describe(file: Path, features: int, classes: int, options: dict[str, OptionValue]) -> ModelDescription:
    """Widths and parameters of each layer, found by running small graphs through the model.

    Raises:
        InputError: the file is broken, does not fit the graph, is too large, or would learn something else under
            another plan.
    """
    recipe = Recipe(file, features, classes, options)
    refuse_what_no_node_holds(recipe)
    built = recipe.build()
    widths = trace(built.layers, features)
    if widths[-1][1] != {"h": classes}:
        message = f"the last layer of {file.stem} gives {widths[-1][1]}, but the graph has {classes} classes"
        raise InputError(message, fix="its transform must give one tensor `h` with a column for each class")
    described = _described(built.layers, widths)
    again = recipe.build_again()
    refuse_other_weights(built, again)
    probe(built, again, features)
    return ModelDescription(
        name=file.stem,
        options=built.options,
        layers=described,
        dense_layers=sum(len(layer.parts) - 1 for layer in built.layers),
        training=_training(built.module, file),
        pretraining=_pretraining(built.module, file),
    )


def _described(
    layers: list[GraphLayer], widths: list[tuple[dict[str, int], dict[str, int]]]
) -> tuple[LayerDescription, ...]:
    return tuple(
        LayerDescription(
            name=layer.main.layer.title,
            parameters=sum(parameter.numel() for parameter in layer.weights().values()),
            wide=layer.main.layer.wide,
            aggregated=aggregated,
            output=output,
        )
        for layer, (aggregated, output) in zip(layers, widths, strict=True)
    )


def _training(module: ModuleType, file: Path) -> TrainingDefaults:
    training = getattr(module, "TRAINING", TrainingDefaults())
    if not isinstance(training, TrainingDefaults):
        raise InputError(f"TRAINING of {file} is not a picluster.nn.TrainingDefaults", fix="see models/gcnii.py")
    return training


def _pretraining(module: ModuleType, file: Path) -> Pretraining | None:
    pretraining = getattr(module, "PRETRAINING", None)
    if not isinstance(pretraining, Pretraining | None):
        raise InputError(
            f"PRETRAINING of {file} is not a picluster.nn.Pretraining", fix="see models/graph_embedding.py"
        )
    return pretraining
