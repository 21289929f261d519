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
    kinds = "; import sys; print({type(sys.modules[name]).__name__ for name in PARTS[:-2]})"
    memory, found = told(LAZY + TRAIN + ANONYMOUS + kinds).splitlines()
    assert found == "{'_LazyModule'}"
    assert int(told(TRAIN + ANONYMOUS)) - int(memory) > 15 << 20


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "print(bool(torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),)).graph))",
        "print(callable(torch._meta_registrations.meta_mm))",
        "print(torch.Generator().manual_seed(7).initial_seed() == 7)",
        "print(torch.distributions.Normal(0.0, 1.0).sample().ndim == 0)",
        "print(torch.masked.sum(torch.ones(2), mask=torch.tensor([True, False])).item() == 1)",
        "print(type(torch.quantization.QuantStub()(torch.ones(1))) is torch.Tensor)",
        pytest.param(
            "from torch._dynamo.exc import Unsupported; print(issubclass(Unsupported, Exception))",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            "from torch_geometric.datasets.fake import FakeDataset; print(len(FakeDataset()) == 1)",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            "print(torch.compile(torch.nn.Linear(2, 2), backend='eager')(torch.ones(1, 2)).shape == (1, 2))",
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_whoever_asks_gets_it(code: str) -> None:
    assert told(f"{LAZY}import torch; {code}") == "True"


def test_a_way_back_from_given_gradients_compares_no_shapes_with_sympy() -> None:
    """As torch's own does: that costs every stage but the last 34 MiB, and seconds on a Pi."""
    train = (
        "import sys, torch; from picluster.worker.compute.graph_layer import given; "
        "rows = torch.ones(2, 3, requires_grad=True); gradient = torch.arange(6.0).view(2, 3); "
        "(found,) = torch.autograd.grad([given([(rows * 2, gradient)])], [rows]); "
        "print(torch.equal(found, 2 * gradient), 'sympy' in sys.modules)"
    )
    assert told(LAZY + train) == "True False"
