"""Tells that a process of Ray has ended, which Ray does not.

A worker that misses its raylet is ended by Ray at its next message, without a word: most times this is quicker. One
that misses the server of the cluster's state is so ended after a minute.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from picluster.errors import RunFailed

if TYPE_CHECKING:
    from picluster.worker.engines.ray.node import RayNode


class Watch(threading.Thread):
    """Waits for the end of the processes that this worker has started."""

    def __init__(self, node: RayNode, fail: Callable[[BaseException], None]) -> None:
        super().__init__(name="ray", daemon=True)
        self._node, self._fail = node, fail
        self._handles = [os.pidfd_open(number) for number in node.numbers]

    def run(self) -> None:
        """Wait until the first of them ends, and tell of it."""
        poll = select.poll()
        for handle in self._handles:
            poll.register(handle, select.POLLIN)
        poll.poll()
        try:
            self._node.look()
        except RunFailed as error:
            self._fail(error)
        finally:
            for handle in self._handles:
                os.close(handle)
