"""Trial of torch under an emulated processor: says when it begins a step and when it has ended it.

Runs in that system's own Python, where nothing of picluster is. On a wrong processor it dies without a word.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

SIZE = 64
GLOO_SECONDS = 300


def main() -> None:
    """Take the steps in their order; a later one needs the earlier."""
    with step("import"):
        import torch
    with step("multiply"):
        product = torch.ones(SIZE, SIZE) @ torch.full((SIZE, SIZE), 0.5)
        expect(bool((product == SIZE / 2).all()), "its products are wrong")
    with step("Gloo pair"), tempfile.NamedTemporaryFile() as meeting:
        exchange(meeting.name)
    with step("training step"):
        train()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say that a step begins, and the processor time that it took."""
    print(f"begin {name}", flush=True)
    begun = time.process_time()
    yield
    print(f"end {name} {time.process_time() - begun:.1f}", flush=True)


def exchange(meeting: str) -> None:
    """Sum up over two processes, of which the other one is forked; that spares a second import."""
    other = os.fork()
    if other == 0:
        os._exit(0 if summed(meeting, rank=1) else 1)
    expect(summed(meeting, rank=0), "the sum is wrong")
    expect(os.waitpid(other, 0)[1] == 0, "the other process failed")


def summed(meeting: str, rank: int) -> bool:
    """Add to the other process's numbers, and tell whether the sum is right."""
    from datetime import timedelta

    import torch
    from torch import distributed

    timeout = timedelta(seconds=GLOO_SECONDS)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2, timeout=timeout)
    numbers = torch.full((SIZE,), rank + 1.0)
    distributed.all_reduce(numbers)
    return bool((numbers == 1 + 2).all())


def train() -> None:
    """Learn in one step: layers forward and backward, fp16 rows added up, Adam written out."""
    import torch

    torch.manual_seed(1)
    rows = torch.ones(SIZE, 32, dtype=torch.float16)
    places = torch.arange(SIZE, dtype=torch.int32)
    bags = torch.nn.functional.embedding_bag(places, rows, places[::8], mode="sum").float()
    model = torch.nn.Sequential(torch.nn.Linear(32, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
    loss = torch.nn.functional.cross_entropy(model(bags), torch.arange(8) % 4)
    weights = [*model.parameters()]
    with torch.no_grad():
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.sub_(0.001 * gradient / (gradient.square().sqrt() + 1e-8))
    expect(bool((bags == 8).all()) and bool(loss.isfinite()), "its sums are wrong")  # noqa: PLR2004  eight ones


def expect(holds: bool, words: str) -> None:
    """End with these words where something does not hold."""
    if not holds:
        sys.exit(words)


if __name__ == "__main__":
    main()
