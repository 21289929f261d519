"""Checks of one half of one layer: each gives an error with line, layer and fix where plans would differ, or None."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from picluster.errors import InputError
from picluster.nn import Dropout, Rows
from picluster.worker.compute.graph_layer import Part
from picluster.worker.compute.model_fault import definition_of, made_at
from picluster.worker.compute.tracing import name_of
from picluster.worker.describing import generators
from picluster.worker.describing.building import FROM_TORCH, Built, drawn_while_built
from picluster.worker.describing.fingerprints import first_rows_in, numbers_in, state_between_calls
from picluster.worker.describing.isolation import muted, on_another_node
from picluster.worker.describing.lines import line_that_changes, line_that_parts
from picluster.worker.describing.trial import Answer, Trial, Values, largest, near, same

_DROPOUT_FIX = "h = dropout(h, 0.5, rows), with `from picluster.nn import dropout`"
_FROM_ROWS = "compute it from the rows and weights alone; random numbers: picluster.nn.dropout(h, 0.5, rows)"
_BY_ROW = "treat each row by itself: LayerNorm instead of BatchNorm, dim=1 instead of dim=0"
_ANOTHER_STATE = 77
_SCALES = (30.0, -30.0)
"""Factors of rows that a branch on their size or sign tells apart."""


class LayerCheck:
    """The checks of one half of one layer, on rows of its own."""

    def __init__(self, trial: Trial, built: Built, values: Values, order: Tensor, few: int) -> None:
        """`values`: rows of all nodes; `order`: the nodes in some order, of which `few` are one division."""
        self._trial, self._built, self._values, self._order = trial, built, values, order
        self._left, self._right = order[:few], order[few:]
        self._others = {name: tensor.roll(1, 0) for name, tensor in values.items()}

    def values_of_all(self) -> Values:
        """Rows that the half gives for all nodes."""
        inverse = torch.argsort(self._order)
        return {name: tensor.index_select(0, inverse) for name, tensor in self._whole.rows.items()}

    def check_calls(self) -> InputError | None:
        """Find random numbers drawn, state kept, rows changed in place, and weights of others used."""
        with _idle_dropouts() as unkeyed:
            if drawn := self._drawn():
                return drawn
        if unkeyed and self._trial.training:
            fix = "drop the rows that the layer was given: self.dropout(rows); what is aggregated in `transform`"
            return self._refusal("has a Dropout over rows of block.rows(…), which drops nothing", "", fix)
        if any(self._whole.versions):
            what = f"changes the rows that `{self._trial.half}` is given in place"
            return self._refusal(what, "", "h = h + x instead of h += x, relu() instead of relu_()")
        return self._foreign_weights() or self._kept() or self._unrepeatable()

    def check_rows(self) -> InputError | None:
        """Find rows that depend on other rows of the micro-batch."""
        if self._trial.in_place:
            return None
        count = len(self._left)
        seen = torch.zeros(len(self._order), dtype=torch.bool)
        seen[self._left] = True
        if self._trial.half == "aggregate":
            seen = self._trial.graph.around(self._left)
        # Other rows everywhere but where the left division looks.
        disturbed = {name: torch.where(seen[:, None], own, self._others[name]) for name, own in self._values.items()}
        found = self._run(disturbed, self._order)
        if all(same(self._whole.rows[name][:count], found.rows[name][:count]) for name in found.rows):
            return None
        line = self._parting(disturbed, partial(first_rows_in, count=count, targets=len(self._order)))
        return self._refusal("mixes rows of a micro-batch that have no edge between them", line, _BY_ROW)

    def check_divisions(self) -> InputError | None:
        """Find rows or gradients that depend on how many rows are computed together."""
        flipped = {name: each.flip(0) for name, each in self._values.items()}
        opposed = [[self._opposed(scale, row) for row in (0, 1)] for scale in _SCALES]
        # Rounding may turn a value at a kink, such as ReLU's, so that one of several tries is enough.
        if all(any(map(self._adds_up, tries)) for tries in ([self._values, self._others, flipped], *opposed)):
            return None
        return self._divided("micro-batch")

    def check_large(self) -> InputError | None:
        """Find what shows only where a micro-batch has many rows."""
        if reason := self._drawn() or self.check_rows():
            return reason
        return None if any(map(self._adds_up, (self._values, self._others))) else self._divided("large micro-batch")

    def check_rebuilt(self, twin: Part) -> InputError | None:
        """Find values kept from an earlier call, or made otherwise in each process, by a model built anew."""
        self._run(self._values, self._order)  # what is kept by the number of rows is of these again
        weights, new = self._trial.part.weights(), twin.weights()
        held = {name: weight.detach().clone() for name, weight in weights.items()}
        with torch.no_grad():
            dice = torch.Generator().manual_seed(1)
            for name, weight in weights.items():
                weight.add_(0.1 * torch.randn(weight.shape, generator=dice) * (held[name].abs().mean() + 0.01))
                new[name].copy_(weight)
        used = self._run(self._others, self._order)
        with muted(), on_another_node():
            fresh = replace(self._trial, part=twin).run(self._others, self._order)
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(held[name])
        if used.same_as(fresh):
            return None
        generator, line = drawn_while_built(self._built.builder)
        if generator:
            return self._refusal(f"has values from {generator}, others on every node", line, FROM_TORCH)
        what = "keeps values from an earlier call, or makes other ones on every node"
        return self._refusal(what, "", _FROM_ROWS)

    @cached_property
    def _whole(self) -> Answer:
        return self._run(self._values, self._order)

    def _opposed(self, scale: float, row: int) -> Values:
        """Rows that are much alike in each division, but large in the one and of the other sign in the other."""
        factors = torch.full((len(self._order), 1), -scale / 10)
        factors[self._left] = scale
        return {name: factors * (tensor[row] + 0.1 * tensor) for name, tensor in self._values.items()}

    def _adds_up(self, values: Values) -> bool:
        """True where the two divisions together give what the whole gives."""
        whole, *parts = (self._run(values, targets) for targets in (self._order, self._left, self._right))
        zero = torch.zeros(())
        rows = {name: torch.cat([part.rows[name] for part in parts]) for name in whole.rows}
        expected = {name: whole.gradients.get(name, zero) for each in (whole, *parts) for name in each.gradients}
        added = {name: sum((part.gradients.get(name, zero) for part in parts), zero) for name in expected}
        given = max(largest(tensor) for tensor in values.values())
        return near(rows, whole.rows, given) and near(added, expected, 0)

    def _run(self, values: Values, targets: Tensor) -> Answer:
        with muted():
            return self._trial.run(values, targets)

    def _drawn(self) -> InputError | None:
        before = generators.states()
        _ = self._whole
        after = generators.states()
        moved = next((name for name in before if after[name] != before[name]), None)
        if moved is None:
            return None
        with generators.seeded(_ANOTHER_STATE):  # a layer that seeds it would leave it as it was
            line = self._line(partial(generators.state, moved))
        source = generators.NAMES[moved]
        what = f"draws random numbers from {source} in `{self._trial.half}`, others under each plan"
        return self._refusal(what, line, _DROPOUT_FIX)

    def _divided(self, batch: str) -> InputError:
        what = f"gives other rows or gradients when a {batch} is computed in two parts"
        return self._refusal(what, "", f"{_BY_ROW}; nothing that counts or numbers rows")

    def _foreign_weights(self) -> InputError | None:
        part, outputs, half = self._trial.part, self._whole.outputs, self._trial.half
        used = {id(leaf): leaf for leaf in _leaves(outputs)}
        own = {id(weight) for weight in part.weights().values()}
        if half == "aggregate" and not part.layer.wide and used.keys() & own:
            fix = "set `wide = True` in its class, or use them in `transform`"
            return self._refusal("uses weights in `aggregate`, which runs in another stage than they", "", fix)
        if used.keys() - own - {id(tensor) for tensor in self._whole.inputs}:
            fix = "make them in __init__, as attributes of their own layer; lists of modules in torch.nn.ModuleList"
            return self._refusal("uses weights that are not among its own, and would not be trained", "", fix)
        return None

    def _kept(self) -> InputError | None:
        layer, module = self._trial.part.layer, self._built.module
        before = state_between_calls(layer, module)
        self._run(self._others, self._order)
        self._run(self._values, self._order)
        after = state_between_calls(layer, module)
        changed = next((name for name in after if after[name] != before.get(name)), None)
        if changed is None:
            return None
        line = self._line(lambda: state_between_calls(layer, module).get(changed))
        return self._refusal(f"keeps a state from call to call: `{changed}` changes", line, _FROM_ROWS)

    def _unrepeatable(self) -> InputError | None:
        with generators.seeded(_ANOTHER_STATE):
            again = self._run(self._values, self._order)
        if again.same_as(self._whole):
            return None
        line = self._parting(self._values, numbers_in)
        return self._refusal("gives other rows or gradients when it is called again", line, _FROM_ROWS)

    def _line(self, observe: Callable[[], object]) -> str:
        return line_that_changes(partial(self._run, self._values, self._order), observe)

    def _parting(self, others: Values, fingerprint: Callable[[object], Any]) -> str:
        run, order = self._run, self._order
        return line_that_parts(partial(run, self._values, order), partial(run, others, order), fingerprint)

    def _refusal(self, what: str, line: str, fix: str) -> InputError:
        part = self._trial.part
        place = line or definition_of(part.layer, self._trial.half) or made_at(part.layer)
        when = "" if self._trial.training else " outside training"
        return InputError(f"{place}: {name_of(part)} {what}{when}", fix=fix)


def _leaves(outputs: list[Tensor]) -> Iterator[Tensor]:
    """Yield the tensors at which autograd's graph of these ends."""
    waiting = [tensor.grad_fn or tensor for tensor in outputs if tensor.requires_grad]
    seen: set[Any] = set()
    while waiting:
        node: Any = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, torch.Tensor):
            yield node
        elif hasattr(node, "variable"):
            yield node.variable
        else:
            waiting += [following for following, _ in node.next_functions if following is not None]


@contextmanager
def _idle_dropouts() -> Iterator[list[torch.nn.Module]]:
    """Collect Dropouts that the block calls with rows that have no key, so that they drop nothing."""
    found: list[torch.nn.Module] = []

    def look(module: torch.nn.Module, arguments: tuple[Any, ...]) -> None:
        if isinstance(module, Dropout) and isinstance(arguments[0], Rows) and arguments[0].dropout_key is None:
            found.append(module)

    handle = torch.nn.modules.module.register_module_forward_pre_hook(look)
    try:
        yield found
    finally:
        handle.remove()
