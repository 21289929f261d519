"""What a layer and its file keep between calls: whatever changes there makes a plan show in the result."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import ModuleType
from typing import Any

import numpy as np
import torch

from picluster.worker.compute.model_fault import MODULE_PREFIX

_TORCH_OWN = frozenset(vars(torch.nn.Module())) - {"training"}
_LOOKED_AT = 200
"""Values of a container that are compared."""


def kept(layer: torch.nn.Module, module: ModuleType) -> dict[str, Any]:
    """By name: numbers, containers, buffers and generators of the layer's modules, and of the model file itself."""
    found: dict[str, Any] = {}
    for path, each in layer.named_modules():
        prefix = ".".join(["self", *([path] if path else [])])
        own = {name: value for name, value in vars(each).items() if name not in _TORCH_OWN}
        found |= {f"{prefix}.{name}": _print_of(value) for name, value in own.items()}
        found |= {f"{prefix}.{name}": _contents(buffer) for name, buffer in each.named_buffers(recurse=False)}
    for name, value in vars(module).items():
        if not name.startswith("__"):
            found[name] = _print_of(value)
            found |= _of_definition(name, value)
    return found


def _of_definition(name: str, value: object) -> dict[str, Any]:
    """Attributes of the file's classes and functions."""
    if not str(getattr(value, "__module__", "")).startswith(MODULE_PREFIX) or not hasattr(value, "__dict__"):
        return {}
    return {f"{name}.{key}": _print_of(each) for key, each in vars(value).items() if not key.startswith("__")}


def _print_of(value: object, depth: int = 2) -> Any:
    """Comparable; None for what cannot tell of calls, such as modules, functions and the tensors of the last call."""
    if isinstance(value, bool | int | float | complex | str | bytes | None) or type(value).__module__ == "itertools":
        return repr(value)
    if isinstance(value, np.ndarray):
        return value.tobytes() if value.dtype != object else None
    if depth and isinstance(value, Mapping | Sequence | AbstractSet):
        values = list(value.values() if isinstance(value, Mapping) else value)
        return len(value), [_print_of(each, depth - 1) for each in values[:_LOOKED_AT]]
    return _state_of(value)


def _state_of(generator: object) -> Any:
    """Of a generator of random numbers; None for other objects."""
    if isinstance(generator, torch.Generator):
        return generator.get_state().numpy().tobytes()
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return repr(generator.bit_generator.state)
    return repr(generator.get_state()) if isinstance(generator, np.random.RandomState) else None


def _contents(buffer: torch.Tensor | None) -> bytes | None:
    return None if buffer is None else buffer.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
