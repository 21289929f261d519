"""What a model file may learn of the machine and the moment that it runs at: others on another node."""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

_LATER_S = 1_234_567


@contextmanager
def of_another_node() -> Iterator[None]:
    """Another process number, name and clock within."""
    seconds, nanoseconds, process = time.time, time.time_ns, os.getpid()
    with (
        patch.object(time, "time", lambda: seconds() + _LATER_S),
        patch.object(time, "time_ns", lambda: nanoseconds() + _LATER_S * 10**9),
        patch.object(os, "getpid", lambda: process + 1),
        patch.object(socket, "gethostname", lambda: "another-node"),
        patch.object(platform, "node", lambda: "another-node"),
    ):
        yield
