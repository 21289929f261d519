"""Fingerprint of a node's numerics: the same bits are promised among nodes that share it.

Torch chooses a kernel by the processor, its own build and the operands' shapes. So fixed values go through every kind
of kernel that training uses, in a few shapes, on one thread. Each worker computes it anew, in 0.02 s on a PC.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from picluster.agent.premises import numerics, numerics_file, processor
from picluster.nn.bags import bag_means, bag_sums
from picluster.randomness import Key, row_words

SHAPES = ((1, 64, 16), (3, 1433, 16), (7, 256, 41), (11, 602, 64), (64, 33, 7), (64, 602, 128))
"""Rows, inputs and outputs of products: kernels differ below a dozen rows and at odd widths."""
_BAGS, _MEMBERS = 40, 25


def fingerprint() -> str:
    """Hash the results, in twelve hexadecimal digits."""
    threads, digest = torch.get_num_threads(), hashlib.sha256()
    torch.set_num_threads(1)
    try:
        for result in _results():
            digest.update(result.detach().contiguous().numpy().tobytes())
    finally:
        torch.set_num_threads(threads)
    return digest.hexdigest()[:12]


def remembered(found: str) -> str:
    """Leave the fingerprint on this machine for the surveys of later launches; returns it."""
    told = {"numerics": found, "processor": processor(), "torch": str(torch.__version__).partition("+")[0]}
    if numerics(told["processor"], told["torch"]) != found:
        with suppress(OSError):  # a disk that takes nothing keeps nobody from training
            file = numerics_file()
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_suffix(f".{os.getpid()}")
            aside.write_text(json.dumps(told))
            aside.replace(file)
    return found


def _results() -> Iterator[Tensor]:
    for number, shape in enumerate(SHAPES):
        yield from _layer(number, *shape)
    rows = _values(99, 4096)
    yield from (rows.exp(), rows.abs().log(), rows.tanh(), rows.sigmoid(), rows.sum(), rows.view(64, 64).sum(0))
    square, mean = torch.zeros_like(rows), torch.zeros_like(rows)  # the kernels of Adam
    square.mul_(0.999).addcmul_(rows, rows, value=0.001)
    yield rows.addcdiv(mean.lerp_(rows, 0.1), square.sqrt().add_(1e-8), value=-0.01)


def _layer(number: int, rows: int, inputs: int, outputs: int) -> Iterator[Tensor]:
    """Train one layer for one step: bags of a table's rows, a product, a loss, and the gradients of all."""
    ids = torch.arange(_BAGS * _MEMBERS, dtype=torch.int32)
    members, counts = (ids * 7 + number) % rows, torch.full((_BAGS,), _MEMBERS)
    table = _values(number, rows, inputs).requires_grad_()
    weights, bias = _values(number + 10, outputs, inputs).requires_grad_(), _values(number + 20, outputs)
    product = linear(table, weights, bias)
    means = bag_means(product, members, counts, ids[::_MEMBERS])
    loss = cross_entropy(means, (ids[:_BAGS] % outputs).long(), reduction="sum")
    loss.backward()  # type: ignore[no-untyped-call]
    assert table.grad is not None
    assert weights.grad is not None
    yield from (product, means, loss, table.grad, weights.grad)
    shares = _values(number + 30, len(ids))
    yield bag_sums(table.detach().half(), members, counts, ids[::_MEMBERS], shares)


def _values(number: int, *shape: int) -> Tensor:
    """Fixed values in [-1, 1), the same everywhere: hashed integers, exactly scaled."""
    ids = torch.arange(torch.Size(shape).numel(), dtype=torch.int32)
    words: Tensor = row_words(Key(number, 0), ids)
    return (words >> 8).float().mul_(2.0**-23).view(shape)
