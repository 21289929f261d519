"""Defaults of training: from what a person asks for to a spec. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from picluster.controller.planning.planner import smaller_cut
from picluster.errors import InputError
from picluster.graph.splits import empty_split_notes
from picluster.schema.spec import Adam, ModelChoice, OptionValue, Spec, read_option

if TYPE_CHECKING:
    from picluster.controller.planning.request import LaunchRequest
    from picluster.schema.graph import GraphMeta
    from picluster.schema.model import ModelDescription

Value = TypeVar("Value")

FULL_BATCH_TRAINING_NODES = 1000
"""Largest number of training nodes that make one full step, unless something else is asked for."""


def model_options(
    hidden: int | None, depth: int | None, dropout: float | None, fanout: str | None, further: Sequence[str] = ()
) -> dict[str, OptionValue]:
    """Options for the model's `layers`; a fanout list tells the depth where nobody else does.

    `further`: options as NAME=VALUE, the value in JSON or a plain word.
    """
    typed = {"hidden": hidden, "depth": depth, "dropout": dropout}
    given: dict[str, OptionValue] = {name: value for name, value in typed.items() if value is not None}
    if depth is None and fanout not in (None, "all"):
        depth = len(_numbers(fanout, "--fanout"))
    if depth is not None and depth < 1:
        raise InputError(f"--depth must be at least 1, not {depth}")
    if hidden is not None and hidden < 1:
        raise InputError(f"--hidden must be at least 1, not {hidden}")
    if dropout is not None and not 0 <= dropout < 1:
        raise InputError(f"--dropout must lie in [0, 1), not {dropout}")
    for text in further:
        name, value = read_option(text)
        if name in given:
            raise InputError(f"--option {text}: {name} is given twice", fix="leave one of the two out")
        given[name] = value
    return given if depth is None else {"depth": depth, **given}


def make_spec(request: LaunchRequest, graph: GraphMeta, model: ModelDescription, file: Path) -> Spec:
    """The spec, with the defaults for a graph of this size filled in.

    Small graphs are trained as Kipf and Welling (2017) do: full batch, 200 epochs, learning rate 0.01, weight decay
    5e-4 on the first layer. Larger ones as Hamilton et al. (2017) do: sampled mini-batches. InputError where values do
    not fit the model or each other.
    """
    depth, training_nodes = len(model.layers), graph.splits["train"]
    if training_nodes == 0:
        raise InputError(f"graph {graph.name} has no training nodes")
    small = training_nodes <= FULL_BATCH_TRAINING_NODES and request.batch_size is None
    full_batch = request.fanout == "all" or (request.fanout is None and small)
    advice = model.training
    optimizer = Adam(
        learning_rate=_first(request.learning_rate, advice.learning_rate, 0.01 if full_batch else 0.003),
        beta1=request.beta1,
        beta2=request.beta2,
        epsilon=request.epsilon,
        amsgrad=request.amsgrad,
        weight_decay=_weight_decay(request.weight_decay, advice.weight_decay, depth, full_batch=full_batch),
        dense_weight_decay=_first(request.dense_weight_decay, advice.dense_weight_decay, 0.0),
        l1=_first(request.l1, advice.l1, 0.0),
    )
    batch_size = _first(request.batch_size, advice.batch_size, None)
    if batch_size is None and not full_batch:
        batch_size = max(1, min(1024, training_nodes // 10))
    options = {name: value for name, value in model.options.items() if name != "depth"}
    spec = Spec(
        dataset=graph.name,
        model=ModelChoice(name=file.stem, depth=depth, options=options),
        fanout=None if full_batch else _fanout(request.fanout, depth),
        batch_size=batch_size,
        micro_batches=_first(request.micro_batches, None, 1 if batch_size is None else 4),
        epochs=_first(request.epochs, advice.epochs, 200 if full_batch else 10),
        seed=request.seed,
        optimizer=optimizer,
        loss=advice.loss or "cross-entropy",
        patience=request.patience if request.patience is not None else advice.patience,
        monitor=_first(request.monitor, advice.monitor, "accuracy"),
        validation=_first(request.validation, None, "exact" if full_batch else "sampled"),
        test=_first(request.test, None, "exact"),
    )
    _check_all_count(request, spec, graph, model)
    if request.wire in (None, "fp32"):
        return spec
    forms = tuple(smaller_cut(layer, spec, model, graph) for layer in range(2, depth + 1))
    return msgspec.structs.replace(spec, wire=request.wire, boundaries=forms)


def notes_on(request: LaunchRequest, spec: Spec, graph: GraphMeta) -> list[str]:
    """Notes for a person: what the graph's split leaves out, and limits of theirs that cannot be reached."""
    notes = [f"{graph.name} has {told}" for told in empty_split_notes(graph.splits)]
    if request.patience is None or request.patience + 1 < spec.epochs:
        return notes
    epochs = f"{spec.epochs} epoch{'' if spec.epochs == 1 else 's'}"
    can = f"--epochs {request.patience + 2} or more lets it"
    return [*notes, f"--patience {request.patience} cannot end a run of {epochs} early; {can}"]


def _check_all_count(request: LaunchRequest, spec: Spec, graph: GraphMeta, model: ModelDescription) -> None:
    """Raise InputError where something that was asked for would change nothing."""
    for option, value in {"--validation": request.validation, "--test": request.test}.items():
        if value == "sampled" and spec.fanout is None:
            what = f"{option} sampled does not go with training on all neighbours: then it sees all of them, too"
            raise InputError(what, fix="leave it out, or sample in training: --fanout 25,10")
    needs: tuple[tuple[str, object, str], ...] = (
        ("--patience", request.patience, "validation"),
        ("--monitor", request.monitor, "validation"),
        ("--validation", request.validation, "validation"),
        ("--test", request.test, "test"),
    )
    for option, asked, split in needs:
        if asked is not None and graph.splits[split] == 0:
            what = f"{option} needs {split} nodes, and graph {graph.name} has none"
            raise InputError(what, fix="leave it out, or import the graph with a split that has some")
    if request.wire is not None and spec.model.depth == 1:
        raise InputError(f"--wire: {model.name} has one layer, and no rows pass between layers", fix="leave it out")
    if request.dense_weight_decay is not None and model.dense_layers == 0:
        what = f"--dense-weight-decay is for layers without neighbours, and {model.name} has none"
        raise InputError(what, fix="leave it out; --weight-decay is for the others")
    seeds = spec.seeds_of_step(graph.splits["train"], 0)
    if request.micro_batches is not None and request.micro_batches > seeds:
        what = f"--micro-batches {request.micro_batches}: a step has only {seeds} seed{'' if seeds == 1 else 's'}"
        raise InputError(what, fix=f"--micro-batches {seeds} at most, or a larger --batch-size")


def _first(asked: Value | None, advised: Value | None, usual: Value) -> Value:
    """Value that the person asks for, else that the model's author advises, else the usual one."""
    if asked is not None:
        return asked
    return usual if advised is None else advised


def _fanout(text: str | None, depth: int) -> tuple[int, ...]:
    if text is not None:
        return tuple(int(number) for number in _numbers(text, "--fanout"))
    return (25, 10)[:depth] if depth <= 2 else (15, 10, *[5] * (depth - 2))  # noqa: PLR2004


def _weight_decay(
    text: str | None, advised: tuple[float, ...] | None, depth: int, *, full_batch: bool
) -> tuple[float, ...]:
    if text is not None:
        values = tuple(float(number) for number in _numbers(text, "--weight-decay", whole=False))
    elif advised is not None:
        values = advised
    else:
        return (5e-4 if full_batch else 0.0, *[0.0] * (depth - 1))
    return values * depth if len(values) == 1 else values


def _numbers(text: str | None, option: str, *, whole: bool = True) -> list[str]:
    """Parts of a comma-separated list, each of them a number."""
    parts = [part.strip() for part in (text or "").split(",")]
    for part in parts:
        try:
            int(part) if whole else float(part)
        except ValueError:
            fix = "such as --fanout 25,10 or --fanout all" if whole else "such as --weight-decay 5e-4,0"
            raise InputError(f"{option} {text}: {part!r} is not a {'whole ' if whole else ''}number", fix=fix) from None
    return parts
