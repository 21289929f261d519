"""A model's size, told without making it: what no node can hold is refused with the number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picluster.errors import InputError
from picluster.worker.compute.model_fault import TooLong
from picluster.worker.describing.printing import muted
from picluster.worker.measuring.memory import memory_limit

if TYPE_CHECKING:
    from picluster.worker.describing.building import Built, Recipe

MOST_LAYERS = 1000
TRAINING_BYTES = 4 + 4 + 8 + 4 + 4 + 4
"""Of one parameter: weight, gradient, its exact sum in fp64, two moments of Adam, best weight."""
_WEIGHT_BYTES = 4


def refuse_what_no_node_holds(recipe: Recipe) -> None:
    """InputError with the sizes, where a layer's training or the weights of all layers need more than this machine has.

    A model whose `layers` wants real memory is not measured.
    """
    depth = recipe.options.get("depth")
    if isinstance(depth, int) and depth > MOST_LAYERS:
        raise InputError(f"a depth of {depth:,} is more than {MOST_LAYERS:,} layers", fix="give a smaller --depth")
    try:
        with muted():
            built = recipe.build(on_meta=True)
    except InputError as error:
        if isinstance(error.__cause__, TooLong):
            raise
        return  # it comes again where the model is made, with its reason
    _refuse(built, memory_limit())


def _refuse(built: Built, memory: int) -> None:
    """Every node makes all layers, and trains at least one."""
    sizes = [sum(weight.numel() for weight in layer.weights().values()) for layer in built.layers]
    largest = max(range(len(sizes)), key=sizes.__getitem__)
    all_weights, training = sum(sizes) * _WEIGHT_BYTES, sizes[largest] * TRAINING_BYTES
    if max(2 * all_weights, training) <= memory:
        return
    name = built.layers[largest].main.layer.title
    message = (
        f"model {built.recipe.file.stem} has {sum(sizes):,} parameters: {_gigabytes(all_weights)} of weights, and "
        f"{_gigabytes(training)} to train graph layer {largest + 1} ({name}) alone; here are {_gigabytes(memory)}"
    )
    raise InputError(message, fix="give smaller numbers, such as --hidden 256")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
