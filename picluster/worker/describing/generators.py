"""The generators of random numbers that a process shares: torch's, numpy's and Python's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

NAMES = {"torch": "torch's generator", "numpy": "numpy's generator", "python": "Python's `random`"}

States = dict[str, Any]


def states() -> States:
    """The state of each generator, comparable."""
    return {name: state(name) for name in NAMES}


def state(name: str) -> Any:
    """The state of one generator, comparable."""
    if name == "torch":
        return torch.get_rng_state().numpy().tobytes()
    if name == "python":
        return random.getstate()
    kind, words, *rest = np.random.get_state(legacy=True)  # noqa: NPY002  it is the one that model files use
    return (kind, np.asarray(words).tobytes(), *rest)


def restore(states: States) -> None:
    """Bring each generator back to a state."""
    torch.set_rng_state(torch.frombuffer(bytearray(states["torch"]), dtype=torch.uint8))
    kind, words, *rest = states["numpy"]
    np.random.set_state((kind, np.frombuffer(words, np.uint32), *rest))  # noqa: NPY002
    random.setstate(states["python"])


@contextmanager
def kept() -> Iterator[None]:
    """Bring the generators back to their states when the block has ended."""
    before = states()
    try:
        yield
    finally:
        restore(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the generators for the block, and bring them back afterwards."""
    with kept():
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        yield
