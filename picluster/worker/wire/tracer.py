"""Recorder of what the threads of a role do, slice by slice, where a trace is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import get_ident
from typing import Literal

from picluster.schema.events import Doing, Slice, Traced

Place = tuple[int, ...]
"""Epoch, step and micro-batch."""


class Tracer:
    """Slices of one role, added from any of its threads."""

    def __init__(self, role: Literal["sampler", "stage"], nodes: Sequence[str], now: Callable[[], float]) -> None:
        """`nodes` are those of the run in the order of ranks; `now` is the worker's clock."""
        self.now = now
        self._role, self._nodes = role, nodes
        self._slices: list[Slice] = []
        self._threads: dict[int, int] = {}

    def add(
        self,
        doing: Doing,
        begin: float,
        place: Place,
        *,
        peer: int | None = None,
        channel: str = "",
        payload_bytes: int = 0,
    ) -> None:
        """Add what began then and ends now; of a message with the rank of the worker on its other side."""
        epoch, step, number = place
        self._slices.append(
            Slice(
                doing=doing,
                begin=begin,
                end=self.now(),
                thread=self._threads.setdefault(get_ident(), len(self._threads)),
                place=(epoch, step, number),
                peer="" if peer is None else self._nodes[peer],
                channel=channel,
                payload_bytes=payload_bytes,
            )
        )

    def told(self) -> Traced:
        """Return what was added since the last call."""
        found, self._slices = self._slices, []
        return Traced(role=self._role, now=self.now(), slices=tuple(found))


@contextmanager
def traced(tracer: Tracer | None, doing: Doing, place: Place) -> Iterator[None]:
    """Add what is done within, if there is a tracer."""
    begin = tracer.now() if tracer else 0.0
    yield
    if tracer:
        tracer.add(doing, begin, place)
