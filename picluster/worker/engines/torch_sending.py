"""Messages that torch carries for an engine, and its errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from picluster.errors import PeerLost

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed import Work
    from torch.futures import Future


@contextmanager
def peer_errors(what: str) -> Iterator[None]:
    """Raise PeerLost where torch raises RuntimeError: workers have no other errors from the network."""
    try:
        yield
    except RuntimeError as error:
        raise PeerLost(f"{what}: {error}") from error


class TorchSending:
    """A message that torch carries. Holds works and tensors: Gloo hangs when they are dropped before they are done."""

    def __init__(self, to: int, works: Sequence[Work | Future[None] | None], tensors: Sequence[Tensor]) -> None:
        self._to, self._works, self._tensors = to, works, tensors

    def wait(self) -> None:
        """Return when the other side has taken the message; raises PeerLost."""
        with peer_errors(f"cannot send to worker {self._to}"):
            for work in self._works:
                if work is not None:
                    work.wait()
