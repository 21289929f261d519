"""The generators of random numbers that a process shares: torch's, numpy's and Python's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

NAMES = {"torch": "torch's generator", "numpy": "numpy's generator", "python": "Python's `random`"}


def states() -> dict[str, Any]:
    """The state of each, comparable."""
    return {name: state(name) for name in NAMES}


def state(name: str) -> Any:
    """Of one of them."""
    if name == "torch":
        return torch.get_rng_state().numpy().tobytes()
    if name == "python":
        return random.getstate()
    kind, words, *rest = np.random.get_state(legacy=True)  # noqa: NPY002  it is the one that model files use
    return (kind, np.asarray(words).tobytes(), *rest)


def moved(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Those from which somebody has drawn in between."""
    return [name for name, state in before.items() if after[name] != state]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Other states within, those of before afterwards."""
    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        random.setstate(kept[2])
