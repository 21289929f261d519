"""Giving a training state costs little of the time between two of them."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from picluster.schema.state import Position
from picluster.system import SYSTEM
from picluster.worker.compute.checkpoint import LayerState, copy_of
from picluster.worker.roles.state_writer import StateWriter
from tests.slowness import usual_seconds

if TYPE_CHECKING:
    from picluster.schema.events import WorkerEvent

FEATURES, WIDTH = 602, 256
KINDS = ("weights", "means", "variances", "best")
EVERY_SECONDS = 60.0
"""Time between two states, unless the person wants another."""
SHARE = 0.02
SLOWEST_PI = 10
"""Times as long as here that a Zero 2 W takes for plain code."""


def test_giving_the_state_of_a_layer_as_wide_as_reddit_s_takes_less_than_a_fiftieth_of_the_time(tmp_path: Path) -> None:
    shapes = {"lin_l.weight": (WIDTH, FEATURES), "lin_l.bias": (WIDTH,), "lin_r.weight": (WIDTH, FEATURES)}
    tensors = {f"{kind}/{name}": torch.rand(shape) for kind in KINDS for name, shape in shapes.items()}
    told: list[WorkerEvent] = []
    context: Any = SimpleNamespace(
        system=SYSTEM, emit=told.append, tensor_file=lambda name: tmp_path / f"{name}.safetensors"
    )
    writer = StateWriter(context)

    def seconds() -> float:
        """Processor time of all threads, from the copy to the file."""
        begin = time.process_time()
        copies = {name: copy_of(tensor) for name, tensor in tensors.items()}
        position = Position(phase="training", epoch=1, step=len(told) + 1)
        writer.write(position, {1: LayerState(1, 1, copies)}, None)
        writer.finish()
        return time.process_time() - begin

    assert usual_seconds(seconds, rounds=8) * SLOWEST_PI < SHARE * EVERY_SECONDS
    assert len(told) == 8
