"""Model files: loading one, and telling what it is made of."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType

import torch
from torch.nn.parameter import UninitializedParameter

from picluster.errors import InputError
from picluster.nn import Block, Layer, Rows
from picluster.randomness import Key, Purpose, key
from picluster.schema.model import LayerDescription, ModelDescription, Pretraining, TrainingDefaults
from picluster.schema.spec import OptionValue
from picluster.worker.graph_layer import GraphLayer, arrange

LayersFunction = Callable[..., list[Layer]]
_UNFIT = {
    torch.nn.modules.dropout._DropoutNd: "picluster.nn.Dropout",  # noqa: SLF001  all its kinds
    torch.nn.modules.batchnorm._NormBase: "LayerNorm",  # noqa: SLF001
}


def build(file: Path, features: int, classes: int, options: dict[str, OptionValue], seed: int) -> list[GraphLayer]:
    """All layers of a model, initialised from the seed alike on every node.

    Raises:
        InputError: the file is missing or broken, or does not take these options.
    """
    return _build(load(file), file, features, classes, options, seed)


def _build(
    module: ModuleType, file: Path, features: int, classes: int, options: dict[str, OptionValue], seed: int
) -> list[GraphLayer]:
    known = _options(module.layers, file)
    unknown = sorted(set(options) - set(known))
    if unknown:
        message = f"model {file.stem} has no option {', '.join(unknown)}"
        raise InputError(message, fix=f"its options are {', '.join(known)} (see {file})")
    torch.manual_seed(key(seed, Purpose.INIT).word)
    try:
        made: object = module.layers(features=features, classes=classes, **options)
        layers = list(made) if isinstance(made, Iterable) else []
    except InputError as error:
        raise InputError(f"model {file}: {error.what}", fix=error.fix) from error
    except Exception as error:
        message = f"model {file} cannot be built with {options}: {type(error).__name__}: {error}"
        raise InputError(message, fix="give other options, or mend the file") from error
    if not layers or not all(isinstance(layer, Layer) for layer in layers):
        message = f"`layers` of {file} must return a list of picluster.nn.Layer"
        raise InputError(message, fix="see models/sage.py for an example")
    for place, layer in enumerate(layers, start=1):
        _check_fit(place, layer)
    return arrange(layers)


def _check_fit(place: int, layer: Layer) -> None:
    """What keeps state of its own, or draws random numbers of its own, would make plans differ."""
    for kind, instead in _UNFIT.items():
        unfit = next((type(module).__name__ for module in layer.modules() if isinstance(module, kind)), None)
        if unfit:
            message = f"layer {place} ({layer.title}) has a {unfit}, which would differ between plans"
            raise InputError(message, fix=f"use {instead}")
    if any(isinstance(parameter, UninitializedParameter) for parameter in layer.parameters()):
        raise InputError(f"layer {place} ({layer.title}) leaves its width open", fix="give it instead of -1")


def describe(file: Path, features: int, classes: int, options: dict[str, OptionValue]) -> ModelDescription:
    """Widths and parameters of each layer, found by running a graph of two nodes through the model."""
    module = load(file)
    layers = _build(module, file, features, classes, options, seed=0)
    widths = trace(layers, features)
    if widths[-1][1] != {"h": classes}:
        message = f"the last layer of {file.stem} gives {widths[-1][1]}, but the graph has {classes} classes"
        raise InputError(message, fix="its transform must give one tensor `h` with a column for each class")
    descriptions = (
        LayerDescription(
            name=layer.main.layer.title,
            parameters=sum(parameter.numel() for parameter in layer.weights().values()),
            wide=layer.main.layer.wide,
            aggregated=aggregated,
            output=output,
        )
        for layer, (aggregated, output) in zip(layers, widths, strict=True)
    )
    every_option = {**_options(module.layers, file), **options}
    training = getattr(module, "TRAINING", TrainingDefaults())
    if not isinstance(training, TrainingDefaults):
        raise InputError(f"TRAINING of {file} is not a picluster.nn.TrainingDefaults", fix="see models/gcnii.py")
    pretraining = getattr(module, "PRETRAINING", None)
    if not isinstance(pretraining, Pretraining | None):
        raise InputError(
            f"PRETRAINING of {file} is not a picluster.nn.Pretraining", fix="see models/graph_embedding.py"
        )
    return ModelDescription(
        name=file.stem,
        options=every_option,
        layers=tuple(descriptions),
        dense_layers=sum(len(layer.parts) - 1 for layer in layers),
        training=training,
        pretraining=pretraining,
    )


def trace(layers: Sequence[GraphLayer], features: int) -> list[tuple[dict[str, int], dict[str, int]]]:
    """Names and widths of what each layer's `aggregate` and `transform` give."""
    ids = torch.arange(2, dtype=torch.int32)
    rows, widths = Rows({"h": torch.zeros(3, features)}, ids), []  # a table of more nodes than are targets
    for layer in layers:
        block = Block(
            ids=ids,
            counts=torch.ones(2, dtype=torch.int32),
            neighbours=ids.flip(0),
            source_ids=None if layer.number == 1 else ids,
            graph_degrees=torch.ones(3, dtype=torch.int32),
        )
        try:
            with torch.no_grad():
                aggregated = _checked(layer.aggregate(block, rows, _any_dropout))
                rows = _checked(layer.transform(aggregated, _any_dropout))
        except InputError as error:
            message = f"layer {layer.number} ({layer.main.layer.title}): {error.what}"
            raise InputError(message, fix=error.fix) from error
        except Exception as error:
            kind = layer.main.layer.title
            message = f"layer {layer.number} ({kind}) cannot take what comes before it: {error}"
            raise InputError(message, fix="see that widths chain; docs/models.md says what layers give") from error
        widths.append((aggregated.widths(), rows.widths()))
    return widths


def _any_dropout(place: int) -> Key:
    return key(0, Purpose.DROPOUT, place)


def _checked(rows: Rows) -> Rows:
    for name, tensor in rows.tensors.items():
        if tensor.dtype != torch.float32 or tensor.dim() != 2 or len(tensor) != len(rows.ids):  # noqa: PLR2004
            raise ValueError(f"its rows `{name}` are not (targets, width) in float32")
    return rows


def load(file: Path) -> ModuleType:
    """The model file as a module; it has a function `layers`."""
    if not file.is_file():
        raise InputError(f"there is no model file {file}")
    spec = importlib.util.spec_from_file_location(f"picluster_model_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise InputError(f"{file} is not a Python file", fix="a model file ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        line = getattr(error, "lineno", None)
        where = f" (line {line})" if line else ""
        message = f"model file {file} does not load{where}: {type(error).__name__}: {error}"
        raise InputError(message, fix="mend the file; picluster-worker describe FILE tries it") from error
    if not callable(getattr(module, "layers", None)):
        raise InputError(f"model file {file} has no function `layers`", fix="see models/sage.py for an example")
    return module


def _options(function: LayersFunction, file: Path) -> dict[str, OptionValue]:
    """Options of a `layers` function with their defaults, besides `features` and `classes`."""
    parameters = inspect.signature(function).parameters
    missing = {"features", "classes", "depth"} - set(parameters)
    if missing:
        raise InputError(f"`layers` of {file} does not take {', '.join(sorted(missing))}", fix="see models/sage.py")
    return {name: p.default for name, p in parameters.items() if name not in ("features", "classes")}
