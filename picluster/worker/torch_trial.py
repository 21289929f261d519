"""Trial of torch in a process of its own, which does what a worker does: on a wrong processor it dies without a word.

Run in the node's environment. Each step is named on standard output before it is taken; versions come last, in JSON.
"""

from __future__ import annotations

import importlib
import json
import platform
import sys
from contextlib import suppress
from importlib import metadata

PACKAGES = ("torch", "numpy", "msgspec", "safetensors", "torch-geometric")
SIZE = 256


def main() -> None:
    """Name each step, then do it."""
    _step("importing torch")
    import torch

    _step("multiplying")
    rows = torch.ones(SIZE, SIZE, requires_grad=True)
    product = rows @ torch.full((SIZE, SIZE), 0.5)
    product.sum().backward()  # type: ignore[no-untyped-call]
    bags = torch.nn.functional.embedding_bag(
        torch.arange(64, dtype=torch.int32),
        torch.ones(64, 32, dtype=torch.float16),
        torch.arange(0, 64, 8, dtype=torch.int32),
        mode="sum",
    )
    half = SIZE / 2
    if rows.grad is None or bool((product != half).any() or (rows.grad != half).any() or (bags != 8).any()):  # noqa: PLR2004  the sum of eight ones
        sys.exit("its products are wrong")
    _step("importing the worker")
    importlib.import_module("picluster.worker.session")
    _step("taking the fingerprint of the numerics")
    numerics = None
    with suppress(ImportError):  # another version of picluster
        numerics = importlib.import_module("picluster.worker.measuring.numerics").fingerprint()
    versions = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    _step(json.dumps({"numerics": numerics, "versions": versions}))


def _step(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
