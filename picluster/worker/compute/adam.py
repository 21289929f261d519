"""Adam, written out: torch.optim imports torch's compiler, 70 MB of anonymous memory on every Pi."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor

from picluster.schema.spec import Adam


class AdamOptimizer:
    """Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1; equal to `torch.optim.Adam`."""

    def __init__(self, parameters: Sequence[Tensor], weight_decays: Sequence[float], options: Adam) -> None:
        """`weight_decays`: one value for each parameter."""
        self._parameters = parameters
        self._weight_decays = weight_decays
        self._options = options
        self.updates = 0
        """Steps taken so far."""
        self._means = [torch.zeros_like(parameter) for parameter in parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in parameters]
        self._largest_squares = [torch.zeros_like(parameter) for parameter in parameters] if options.amsgrad else []

    @property
    def moments(self) -> dict[str, list[Tensor]]:
        """Memory of earlier gradients, by kind: one tensor for each parameter, or none."""
        return {"means": self._means, "squares": self._squares, "largest_squares": self._largest_squares}

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Update the parameters in place; `gradients` have their shapes and fp32."""
        self.updates += 1
        for index, gradient in enumerate(gradients):
            self._update(index, gradient)

    def _update(self, index: int, gradient: Tensor) -> None:
        options, parameter = self._options, self._parameters[index]
        if self._weight_decays[index]:
            gradient = gradient.add(parameter, alpha=self._weight_decays[index])
        if options.l1 and parameter.dim() > 1:
            gradient = gradient.add(parameter.sign(), alpha=options.l1)
        mean, square = self._means[index], self._squares[index]
        mean.lerp_(gradient, 1 - options.beta1)
        square.mul_(options.beta2).addcmul_(gradient, gradient, value=1 - options.beta2)
        if options.amsgrad:
            square = torch.maximum(self._largest_squares[index], square, out=self._largest_squares[index])
        mean_correction = 1 - options.beta1**self.updates
        square_correction = 1 - options.beta2**self.updates
        scale = (square.sqrt() / sqrt(square_correction)).add_(options.epsilon)
        parameter.addcdiv_(mean, scale, value=-options.learning_rate / mean_correction)
