"""Fingerprints that can be compared: of the state between calls of a layer, and of the numbers in a value."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import ModuleType
from typing import Any

import numpy as np
import torch

from picluster.nn import Rows
from picluster.worker.compute.model_fault import MODULE_PREFIX

_TORCH_OWN = frozenset(vars(torch.nn.Module())) - {"training"}
_LOOKED_AT = 200
"""Values of a container that are compared."""


def state_between_calls(layer: torch.nn.Module, module: ModuleType) -> dict[str, Any]:
    """Numbers, containers, buffers and generators, by name, of the layer's modules and of the model file itself.

    Whatever changes there from call to call makes a plan show in the result.
    """
    found: dict[str, Any] = {}
    for path, each in layer.named_modules():
        prefix = ".".join(["self", *([path] if path else [])])
        own = {name: value for name, value in vars(each).items() if name not in _TORCH_OWN}
        found |= {f"{prefix}.{name}": _state(value) for name, value in own.items()}
        buffers = {
            f"{prefix}.{name}": buffer.detach().contiguous() for name, buffer in each.named_buffers(recurse=False)
        }
        found |= {name: buffer.view(-1).view(torch.uint8).numpy().tobytes() for name, buffer in buffers.items()}
    for name, value in vars(module).items():
        if name.startswith("__"):
            continue
        found[name] = _state(value)
        if str(getattr(value, "__module__", "")).startswith(MODULE_PREFIX) and hasattr(value, "__dict__"):
            # A class or function of the file may keep something, too.
            found |= {f"{name}.{key}": _state(each) for key, each in vars(value).items() if not key.startswith("__")}
    return found


def _state(value: object, depth: int = 2) -> Any:
    """Fingerprint of a kept value; None for what tells nothing of calls: modules, functions, tensors of the last."""
    if isinstance(value, bool | int | float | complex | str | bytes | None) or type(value).__module__ == "itertools":
        return repr(value)
    if isinstance(value, np.ndarray):
        return value.tobytes() if value.dtype != object else None
    if depth and isinstance(value, Mapping | Sequence | AbstractSet):
        values = list(value.values() if isinstance(value, Mapping) else value)
        return len(value), [_state(each, depth - 1) for each in values[:_LOOKED_AT]]
    return _generator_state(value)


def _generator_state(generator: object) -> Any:
    """Fingerprint of a generator of random numbers; None for other objects."""
    if isinstance(generator, torch.Generator):
        return generator.get_state().numpy().tobytes()
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return repr(generator.bit_generator.state)
    return repr(generator.get_state()) if isinstance(generator, np.random.RandomState) else None


def numbers_in(value: object) -> Any:
    """Fingerprint of all numbers in tensors, rows, lists and numbers; None for anything else."""
    if isinstance(value, torch.Tensor):
        return value.detach().contiguous().numpy().tobytes()
    if isinstance(value, Rows):
        return [numbers_in(tensor) for tensor in value.tensors.values()]
    if isinstance(value, list | tuple):
        return [numbers_in(each) for each in value]
    return repr(value) if isinstance(value, bool | int | float | str) or hasattr(value, "dtype") else None


def first_rows_in(value: object, *, count: int, targets: int) -> Any:
    """Fingerprint of the first `count` rows of tensors that have a row for each target; None for anything else."""
    if isinstance(value, torch.Tensor):
        return numbers_in(value[:count]) if value.dim() > 1 and len(value) == targets else None
    if isinstance(value, Rows):
        return [first_rows_in(tensor, count=count, targets=targets) for tensor in value.tensors.values()]
    return None
