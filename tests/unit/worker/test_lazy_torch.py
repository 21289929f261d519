"""What training never touches of torch is not loaded, and is there for whoever asks."""

import subprocess
import sys

import pytest

ANONYMOUS = "import psutil; memory = psutil.Process().memory_info(); print(memory.rss - memory.shared)"
TRAIN = "import torch; w = torch.ones(3, 3, requires_grad=True); (w @ w).relu().sum().backward(); "
LAZY = "from picluster.worker.lazy_torch import PARTS, install; install(); "


def told(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_training_loads_no_part_and_takes_less_memory() -> None:
    kinds = "; import sys; print(*(type(sys.modules[name]).__name__ for name in PARTS))"
    memory, found = told(LAZY + TRAIN + ANONYMOUS + kinds).splitlines()
    assert found == "_LazyModule _LazyModule"
    assert int(told(TRAIN + ANONYMOUS)) - int(memory) > 10 << 20


@pytest.mark.parametrize(
    "code",
    [
        "print(bool(torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),)).graph))",
        "print(callable(torch._meta_registrations.meta_mm))",
    ],
)
def test_whoever_asks_gets_it(code: str) -> None:
    assert told(f"{LAZY}import torch; {code}") == "True"
