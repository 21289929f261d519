"""The Ray actor of one worker: messages lie here until the worker takes them. Its process imports no torch."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import ray

Parcel: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.uint8]] | list[ray.ObjectRef[Any]]"
"""A message (n,) uint8; or in a list, where Ray leaves it alone, the object that holds it."""
Label = tuple[int, int, int]
"""Sender, channel, and place in their order."""


@dataclass
class _Box:
    parcel: Parcel | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    taken: asyncio.Event = field(default_factory=asyncio.Event)


class PostOffice:
    """Deliveries and takings may come in any order; each waits for its other half."""

    def __init__(self) -> None:
        self._boxes: dict[Label, _Box] = {}

    async def open(self) -> None:
        """Answers when the actor is there."""

    async def deliver(self, label: Label, parcel: Parcel) -> None:
        """Put a message down; returns when it has been taken."""
        box = self._boxes.setdefault(label, _Box())
        box.parcel = parcel
        box.arrived.set()
        await box.taken.wait()

    async def take(self, label: Label) -> Parcel:
        """The message of that label; waits for it."""
        box = self._boxes.setdefault(label, _Box())
        await box.arrived.wait()
        del self._boxes[label]
        box.taken.set()
        assert box.parcel is not None
        return box.parcel
