"""A file with an ordinary `torch.nn.Module`: the lines that make a model of its convolutions."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

import torch

from picluster.nn import Layer


def how_to_wrap(module: ModuleType, file: Path) -> str:
    """The function `layers` to write, where the file has a class of torch; else nothing."""
    found = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, torch.nn.Module) and each.__module__ == module.__name__
    ]
    name = next((each.__name__ for each in reversed(found) if not issubclass(each, Layer)), None)
    if name is None:
        return ""
    convolutions = _convolutions(file, name) or ["SAGEConv", "SAGEConv"]
    return f"{name} is an ordinary torch.nn.Module; write its layers as a list:\n{_written(convolutions)}"


def _convolutions(file: Path, name: str) -> list[str]:
    """Names of the convolutions that the class makes, in their order."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    calls = [node for each in classes for node in ast.walk(each) if isinstance(node, ast.Call)]
    names = [ast.unparse(call.func).rpartition(".")[2] for call in sorted(calls, key=lambda call: call.lineno)]
    return [each for each in names if each.endswith("Conv")]


def _written(convolutions: list[str]) -> str:
    widths = ["features", *["hidden"] * (len(convolutions) - 1), "classes"]
    last = len(convolutions) - 1
    layers = ", ".join(
        f"PygLayer({name}({widths[at]}, {widths[at + 1]}){', last=True' if at == last else ''})"
        for at, name in enumerate(convolutions)
    )
    return (
        "    from picluster.nn import PygLayer\n"
        "    def layers(*, features, classes, hidden=64):\n"
        f"        return [{layers}]"
    )
