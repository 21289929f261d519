"""A model file described: layers, widths, parameters; refused where plans would differ, or nothing holds it."""

from __future__ import annotations

from pathlib import Path

from picluster.errors import InputError
from picluster.schema.model import LayerDescription, ModelDescription, Pretraining, TrainingDefaults
from picluster.schema.spec import OptionValue
from picluster.worker.compute.model_fault import TooLong
from picluster.worker.compute.tracing import trace
from picluster.worker.describing import generators
from picluster.worker.describing.building import ANOTHER_SEED, Built, ModelBuilder, refuse_other_weights
from picluster.worker.describing.isolation import muted, on_another_node
from picluster.worker.describing.probe import probe
from picluster.worker.measuring.memory import memory_limit

MOST_LAYERS = 1000
TRAINING_BYTES = 4 + 4 + 8 + 4 + 4 + 4
"""Bytes of one parameter: weight, gradient, its exact sum in fp64, two moments of Adam, best weight."""
_WEIGHT_BYTES = 4


def describe(file: Path, features: int, classes: int, options: dict[str, OptionValue]) -> ModelDescription:
    """Describe each layer's widths and parameters, found by running small graphs through the model.

    InputError where the file is broken, does not fit the graph, is too large, or would learn something else under
    another plan.
    """
    builder = ModelBuilder(file, features, classes, options)
    _refuse_what_no_node_holds(builder)
    built = builder.build()
    widths = trace(built.layers, features)
    if widths[-1][1] != {"h": classes}:
        message = f"the last layer of {file.stem} gives {widths[-1][1]}, but the graph has {classes} classes"
        raise InputError(message, fix="its transform must give one tensor `h` with a column for each class")
    layers = tuple(
        LayerDescription(
            name=layer.main.layer.title,
            parameters=sum(parameter.numel() for parameter in layer.weights().values()),
            wide=layer.main.layer.wide,
            aggregated=aggregated,
            output=output,
        )
        for layer, (aggregated, output) in zip(built.layers, widths, strict=True)
    )
    # As another node builds it: whatever was drawn there before, and without a second print.
    with muted(), generators.seeded(ANOTHER_SEED), on_another_node():
        again = builder.build()
    refuse_other_weights(built, again)
    probe(built, again, features)
    training = getattr(built.module, "TRAINING", TrainingDefaults())
    if not isinstance(training, TrainingDefaults):
        raise InputError(f"TRAINING of {file} is not a picluster.nn.TrainingDefaults", fix="see models/gcnii.py")
    pretraining = getattr(built.module, "PRETRAINING", None)
    if not isinstance(pretraining, Pretraining | None):
        what = f"PRETRAINING of {file} is not a picluster.nn.Pretraining"
        raise InputError(what, fix="see models/graph_embedding.py")
    return ModelDescription(
        name=file.stem,
        options=built.options,
        layers=layers,
        dense_layers=sum(len(layer.parts) - 1 for layer in built.layers),
        training=training,
        pretraining=pretraining,
    )


def _refuse_what_no_node_holds(builder: ModelBuilder) -> None:
    """InputError with the sizes, where a layer's training or the weights of all layers need more than this machine has.

    A model whose `layers` wants real memory is not measured.
    """
    depth = builder.options.get("depth")
    if isinstance(depth, int) and depth > MOST_LAYERS:
        raise InputError(f"a depth of {depth:,} is more than {MOST_LAYERS:,} layers", fix="give a smaller --depth")
    try:
        with muted():
            built = builder.build(on_meta=True)
    except InputError as error:
        if isinstance(error.__cause__, TooLong):
            raise
        return  # it comes again where the model is made, with its reason
    _refuse_too_large(built, memory_limit())


def _refuse_too_large(built: Built, memory: int) -> None:
    """Raise InputError where memory is short: every node makes all layers, and trains at least one."""
    sizes = [sum(weight.numel() for weight in layer.weights().values()) for layer in built.layers]
    largest = max(range(len(sizes)), key=sizes.__getitem__)
    all_weights, training = sum(sizes) * _WEIGHT_BYTES, sizes[largest] * TRAINING_BYTES
    if max(2 * all_weights, training) <= memory:
        return
    name = built.layers[largest].main.layer.title
    message = (
        f"model {built.builder.file.stem} has {sum(sizes):,} parameters: {_gigabytes(all_weights)} of weights, and "
        f"{_gigabytes(training)} to train graph layer {largest + 1} ({name}) alone; here are {_gigabytes(memory)}"
    )
    raise InputError(message, fix="give smaller numbers, such as --hidden 256")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
