"""Model files: loading one, and telling what it is made of."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from picluster.errors import InputError
from picluster.nn import Block, Layer, Rows
from picluster.randomness import Purpose, key
from picluster.schema.model import LayerDescription, ModelDescription
from picluster.schema.spec import OptionValue

LayersFunction = Callable[..., list[Layer]]


def build(file: Path, features: int, classes: int, options: dict[str, OptionValue], seed: int) -> list[Layer]:
    """All layers of a model, initialised from the seed alike on every node.

    Raises:
        InputError: the file is missing or broken, or does not take these options.
    """
    return _build(_load(file), file, features, classes, options, seed)


def _build(
    function: LayersFunction, file: Path, features: int, classes: int, options: dict[str, OptionValue], seed: int
) -> list[Layer]:
    known = _options(function, file)
    unknown = sorted(set(options) - set(known))
    if unknown:
        message = f"model {file.stem} has no option {', '.join(unknown)}"
        raise InputError(message, fix=f"its options are {', '.join(known)} (see {file})")
    torch.manual_seed(key(seed, Purpose.INIT).word)
    try:
        made: object = function(features=features, classes=classes, **options)
        layers = list(made) if isinstance(made, Iterable) else []
    except Exception as error:
        message = f"model {file} cannot be built with {options}: {type(error).__name__}: {error}"
        raise InputError(message) from error
    if not layers or not all(isinstance(layer, Layer) for layer in layers):
        message = f"`layers` of {file} must return a list of picluster.nn.Layer"
        raise InputError(message, fix="see models/sage.py for an example")
    return layers


def describe(file: Path, features: int, classes: int, options: dict[str, OptionValue]) -> ModelDescription:
    """Widths and parameters of each layer, found by running a graph of two nodes through the model."""
    function = _load(file)
    layers = _build(function, file, features, classes, options, seed=0)
    widths = trace(layers, features)
    if widths[-1][1] != {"h": classes}:
        message = f"the last layer of {file.stem} gives {widths[-1][1]}, but the graph has {classes} classes"
        raise InputError(message, fix="its transform must give one tensor `h` with a column for each class")
    descriptions = (
        LayerDescription(
            name=type(layer).__name__,
            parameters=sum(parameter.numel() for parameter in layer.parameters()),
            aggregated=aggregated,
            output=output,
        )
        for layer, (aggregated, output) in zip(layers, widths, strict=True)
    )
    every_option = {**_options(function, file), **options}
    return ModelDescription(name=file.stem, options=every_option, layers=tuple(descriptions))


def trace(layers: Sequence[Layer], features: int) -> list[tuple[dict[str, int], dict[str, int]]]:
    """Names and widths of what each layer's `aggregate` and `transform` give."""
    ids = torch.arange(2, dtype=torch.int32)
    rows, widths = Rows({"h": torch.zeros(2, features)}, ids), []
    for number, layer in enumerate(layers, start=1):
        block = Block(
            ids=ids,
            counts=torch.ones(2, dtype=torch.int32),
            neighbours=ids.flip(0),
            source_ids=None if number == 1 else ids,
            graph_degrees=torch.ones(2, dtype=torch.int32),
        )
        try:
            with torch.no_grad():
                aggregated = layer.aggregate(block, rows)
                rows = layer.transform(aggregated)
                _check_rows(aggregated, rows)
        except Exception as error:
            message = f"layer {number} ({type(layer).__name__}) cannot take what comes before it: {error}"
            raise InputError(message, fix="see that the widths of the layers chain") from error
        widths.append((aggregated.widths(), rows.widths()))
    return widths


def _check_rows(*found: Rows) -> None:
    for rows in found:
        for name, tensor in rows.tensors.items():
            if tensor.dtype != torch.float32 or tensor.dim() != 2:  # noqa: PLR2004
                raise ValueError(f"its rows `{name}` are not (N, width) in float32")


def _load(file: Path) -> LayersFunction:
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
        raise InputError(f"model file {file} does not load{where}: {type(error).__name__}: {error}") from error
    function = getattr(module, "layers", None)
    if not callable(function):
        raise InputError(f"model file {file} has no function `layers`", fix="see models/sage.py for an example")
    return function  # type: ignore[no-any-return]


def _options(function: LayersFunction, file: Path) -> dict[str, OptionValue]:
    """Options of a `layers` function with their defaults, besides `features` and `classes`."""
    parameters = inspect.signature(function).parameters
    missing = {"features", "classes", "depth"} - set(parameters)
    if missing:
        raise InputError(f"`layers` of {file} does not take {', '.join(sorted(missing))}", fix="see models/sage.py")
    return {name: p.default for name, p in parameters.items() if name not in ("features", "classes")}
