"""Model files: loading one, and making its layers."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import CodeType, ModuleType

import torch
from torch.nn.parameter import UninitializedParameter

from picluster.errors import InputError
from picluster.nn import Layer
from picluster.randomness import Purpose, key
from picluster.schema.spec import OptionValue
from picluster.worker.compute.graph_layer import GraphLayer, arrange
from picluster.worker.compute.model_fault import MODULE_PREFIX, TooLong, definition_of, made_at, refusal

LayersFunction = Callable[..., list[Layer]]
_UNFIT = {
    torch.nn.modules.dropout._DropoutNd: "picluster.nn.Dropout",  # noqa: SLF001  all its kinds
    torch.nn.modules.batchnorm._NormBase: "LayerNorm",  # noqa: SLF001
}
_FROM_THE_GRAPH = ("features", "classes")


class _FromSource(importlib.machinery.SourceFileLoader):
    """Compiles what the file holds now, and leaves no bytecode beside it.

    Python's own would take bytecode of other content for it that has the same size and was written in the same second.
    """

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def build(file: Path, features: int, classes: int, options: dict[str, OptionValue], seed: int) -> list[GraphLayer]:
    """Build all layers of a model, initialised from the seed alike on every node; InputError where that fails."""
    return make(load(file), file, features, classes, options, seed)


def load(file: Path) -> ModuleType:
    """Load a model file as a module; it has a function `layers`."""
    if not file.is_file():
        raise InputError(f"there is no model file {file}")
    if file.suffix != ".py":
        raise InputError(f"{file} is not a Python file", fix="a model file ends in .py")
    name = f"{MODULE_PREFIX}{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file, loader=_FromSource(name, str(file)))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        with torch.enable_grad():  # a file that turns gradients off would turn them off for picluster too
            spec.loader.exec_module(module)
    except (Exception, SystemExit, TooLong) as error:
        raise refusal(error, f"model file {file} does not load") from error
    if not callable(getattr(module, "layers", None)):
        fix = _how_to_wrap(module, file) or "see models/sage.py for an example"
        raise InputError(f"model file {file} has no function `layers`", fix=fix)
    return module


def make(
    module: ModuleType,
    file: Path,
    features: int,
    classes: int,
    options: dict[str, OptionValue],
    seed: int,
    *,
    on_meta: bool = False,
) -> list[GraphLayer]:
    """Make the layers of a loaded model file; `on_meta`: their parameters have shapes, but no memory."""
    given = _given(module.layers, file, options)
    torch.manual_seed(key(seed, Purpose.INIT).word)
    try:
        with torch.enable_grad(), torch.device("meta") if on_meta else nullcontext():
            made: object = module.layers(features=features, classes=classes, **given)
            layers = list(made) if isinstance(made, Iterable) else []
    except (Exception, SystemExit, TooLong) as error:
        raise refusal(error, f"model {file} cannot be built with {options}") from error
    if not layers or not all(isinstance(layer, Layer) for layer in layers):
        message = f"`layers` of {file} must return a list of picluster.nn.Layer{_stranger(layers)}"
        raise InputError(message, fix="see models/sage.py for an example")
    for place, layer in enumerate(layers, start=1):
        own = definition_of(layer, "__init__") or made_at(layer)
        _check_fit(f"{own}: layer {place} ({layer.title})", layer)
    code = getattr(inspect.unwrap(module.layers), "__code__", None)
    _check_own(layers, f"{file.name}, line {code.co_firstlineno if code else 1}")
    arranged = arrange(layers)
    depth = options.get("depth", len(arranged))
    if "depth" not in parameters_of(module.layers) and depth != len(arranged):
        message = f"model {file.stem} has a fixed depth of {len(arranged)}, not {depth}"
        raise InputError(message, fix=f"leave out --depth {depth}; --fanout takes {len(arranged)} numbers")
    return arranged


def parameters_of(function: LayersFunction) -> dict[str, inspect.Parameter]:
    """Options of a `layers` function, besides `features` and `classes`."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters
    return {name: each for name, each in parameters.items() if name not in _FROM_THE_GRAPH and each.kind in named}


def _given(function: LayersFunction, file: Path, options: dict[str, OptionValue]) -> dict[str, OptionValue]:
    """The options without a depth that the model does not take."""
    parameters, known = inspect.signature(function).parameters, parameters_of(function)
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    missing = [] if takes_any else [name for name in _FROM_THE_GRAPH if name not in parameters]
    if missing:
        fix = "def layers(*, features, classes, depth=2, hidden=64): …; see models/sage.py"
        raise InputError(f"`layers` of {file} does not take {', '.join(missing)}", fix=fix)
    given = {name: value for name, value in options.items() if name in known or name != "depth"}
    unknown = [] if takes_any else sorted(set(given) - set(known))
    if unknown:
        message = f"model {file.stem} has no option {', '.join(unknown)}"
        raise InputError(message, fix=f"its options are {', '.join(known) or 'none'} (see {file})")
    lacking = [name for name, each in known.items() if each.default is each.empty and name not in given]
    if lacking:
        fix = " ".join(f"--option {name}=…" if name != "depth" else "--depth 2" for name in lacking)
        raise InputError(f"`layers` of {file} has no default for {', '.join(lacking)}", fix=f"give {fix}")
    return given


def _stranger(layers: Sequence[object]) -> str:
    """Name what is in the list and is no layer."""
    found = next((layer for layer in layers if not isinstance(layer, Layer)), None)
    if found is None:
        return ", not nothing"
    kind = type(found).__name__
    convolution = type(found).__module__.startswith("torch_geometric")
    return f", not {kind}" + (f": write PygLayer({kind}(…))" if convolution else "")


def _check_fit(where: str, layer: Layer) -> None:
    """Refuse what keeps state or draws random numbers of its own: plans would differ."""
    for kind, instead in _UNFIT.items():
        modules = (module for module in layer.modules() if isinstance(module, kind) and getattr(module, "p", 1) > 0)
        unfit = next((type(module).__name__ for module in modules), None)
        if unfit:
            raise InputError(f"{where} has a {unfit}, which would differ between plans", fix=f"use {instead}")
    for name, weight in layer.weights().items():
        if isinstance(weight, UninitializedParameter):
            raise InputError(f"{where} leaves its width open", fix="give it instead of -1")
        if weight.dtype != torch.float32:
            raise InputError(f"{where} has a weight {name} in {weight.dtype}", fix="make it torch.float32")
        if weight.device.type not in ("cpu", "meta"):
            fix = f'nodes compute on CPUs: leave out .to("{weight.device.type}") and the like'
            raise InputError(f"{where} has its weight {name} on {weight.device}", fix=fix)


def _check_own(layers: Sequence[Layer], where: str) -> None:
    """Layers may be on different nodes: each needs weights of its own."""
    seen: dict[int, tuple[int, str]] = {}
    for place, layer in enumerate(layers, start=1):
        for name, weight in layer.weights().items():
            first, of_first = seen.setdefault(weight.data_ptr() or id(weight), (place, name))
            if first != place:
                what = f"{where}: layers {first} and {place} share a weight ({of_first}, {name})"
                fix = "make the layer, or its weight, anew for each place in the list"
                raise InputError(f"{what}, but may be on different nodes", fix=fix)


def _how_to_wrap(module: ModuleType, file: Path) -> str:
    """Write the function `layers` for a file with an ordinary class of torch; nothing where there is none."""
    found = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, torch.nn.Module) and each.__module__ == module.__name__
    ]
    name = next((each.__name__ for each in reversed(found) if not issubclass(each, Layer)), None)
    if name is None:
        return ""
    convolutions = _convolutions(file, name) or ["SAGEConv", "SAGEConv"]
    last = len(convolutions) - 1
    widths = ["features", *["hidden"] * last, "classes"]
    layers = ", ".join(
        f"PygLayer({convolution}({widths[at]}, {widths[at + 1]}){', last=True' if at == last else ''})"
        for at, convolution in enumerate(convolutions)
    )
    return (
        f"{name} is an ordinary torch.nn.Module; write its layers as a list:\n"
        "    from picluster.nn import PygLayer\n"
        "    def layers(*, features, classes, hidden=64):\n"
        f"        return [{layers}]"
    )


def _convolutions(file: Path, name: str) -> list[str]:
    """Names of the convolutions that the class makes, in their order."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    calls = [node for each in classes for node in ast.walk(each) if isinstance(node, ast.Call)]
    names = [ast.unparse(call.func).rpartition(".")[2] for call in sorted(calls, key=lambda call: call.lineno)]
    return [each for each in names if each.endswith("Conv")]
