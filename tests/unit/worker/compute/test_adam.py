"""The optimiser against torch's own."""

import pytest
import torch

from picluster.schema.spec import Adam
from picluster.worker.compute.adam import AdamOptimizer

SHAPES = [(16, 33), (33,), (1,), (70_001,)]
STEPS = 50


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("weight_decays", [(0.0, 0.0, 0.0, 0.0), (5e-4, 0.0, 0.1, 1e-2)])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.5)])
def test_fifty_steps_are_bitwise_those_of_torch(
    weight_decays: tuple[float, ...], betas: tuple[float, float], *, amsgrad: bool
) -> None:
    random = torch.Generator().manual_seed(1)
    ours = [torch.randn(shape, generator=random) for shape in SHAPES]
    theirs = [parameter.clone().requires_grad_() for parameter in ours]
    options = Adam(learning_rate=0.01, beta1=betas[0], beta2=betas[1], amsgrad=amsgrad, weight_decay=(0.0,))
    optimizer = AdamOptimizer(ours, weight_decays, options)
    groups = [{"params": [p], "weight_decay": decay} for p, decay in zip(theirs, weight_decays, strict=True)]
    reference = torch.optim.Adam(groups, lr=0.01, betas=betas, eps=1e-8, amsgrad=amsgrad, foreach=False)
    for step in range(STEPS):
        # Gradients of very different sizes, and some that are zero.
        gradients = [torch.randn(shape, generator=random) * 10.0 ** (step % 7 - 5) for shape in SHAPES]
        gradients[0][0] = 0
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient.clone()
        reference.step()  # type: ignore[no-untyped-call,unused-ignore]
        optimizer.step(gradients)
        assert all(torch.equal(mine, other) for mine, other in zip(ours, theirs, strict=True)), step


def test_gradients_are_left_as_they_are() -> None:
    gradient = torch.ones(3)
    AdamOptimizer([torch.ones(3)], [0.5], Adam(learning_rate=1.0, weight_decay=(0.5,))).step([gradient])
    assert gradient.tolist() == [1, 1, 1]
