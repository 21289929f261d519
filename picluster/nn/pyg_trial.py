"""Trial of a convolution on small graphs: its rows and gradients on blocks against those in the whole graph."""

from __future__ import annotations

import copy
import inspect
import itertools
import random
from collections.abc import Callable

import torch
from torch import Tensor

from picluster.errors import InputError
from picluster.nn.block import Block
from picluster.nn.convolving import BlockForm, convolve, normalises_as_gcn
from picluster.nn.trial_graph import TrialGraph, changes, trial_graphs

_TOLERANCES = {torch.float64: 1e-5, torch.float32: 1e-3}
"""Largest difference between rows of about 1. GCN's weights are in fp32 in any case."""


class UnfitError(InputError, ValueError):
    """A convolution that plans would not compute as plain PyG does."""


_OWN_LAYER = "write a layer of your own (docs/models.md)"


def block_form(convolution: torch.nn.Module, width: int) -> BlockForm:
    """Form in which a convolution of rows (N, `width`) takes a block, found by trial on small random graphs.

    Forward and gradients, in training and outside, must equal those of the whole graph.

    Raises:
        UnfitError: they do not in any form, or the convolution cannot run on rows and edges alone, draws random numbers
            or changes its state.
    """
    drawn = random.getstate()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        try:
            trial = _Trial(convolution, width)
            trial.check_alone()
            if normalises_as_gcn(convolution):
                return trial.first_right(("gcn",))
            trial.check_sight()
            return trial.first_right(("bipartite", "square"))
        except UnfitError:
            raise
        except Exception as error:
            reason = f"{type(convolution).__name__} fails on a small graph ({_first_line(error)})"
            raise UnfitError(reason, fix=_OWN_LAYER) from error
        finally:
            random.setstate(drawn)


class _Trial:
    """A copy of a convolution with redrawn weights: weights that begin as zeros would hide what they act on."""

    def __init__(self, convolution: torch.nn.Module, width: int) -> None:
        self._name = type(convolution).__name__
        self._caches = any(getattr(module, "cached", False) for module in convolution.modules())
        self._graphs = trial_graphs(width)
        self._fresh, self._dtype = self._runnable(convolution)
        self._convolution = copy.deepcopy(self._fresh)

    def _runnable(self, convolution: torch.nn.Module) -> tuple[torch.nn.Module, torch.dtype]:
        """A twin and its type: fp64, where differences show best, or as it is; UnfitError where neither runs."""
        failure: Exception | None = None
        for dtype, redraw in itertools.product(_TOLERANCES, (True, False)):
            try:
                twin = _twin(convolution, dtype, redraw=redraw)
                rows = copy.deepcopy(twin)(self._graphs[0].h.to(dtype), self._graphs[0].edges)
            except Exception as error:  # noqa: BLE001  every convolution refuses in its own way
                failure = error
                continue
            if not isinstance(rows, Tensor):
                instead = "wrap it in a module that gives rows"
                raise self._refusal(f"gives a {type(rows).__name__} instead of rows", instead)
            nodes = len(self._graphs[0].h)
            if rows.dim() != 2 or len(rows) != nodes:  # noqa: PLR2004
                raise self._refusal(f"gives {tuple(rows.shape)} instead of a row for each of {nodes} nodes", _OWN_LAYER)
            if rows.isfinite().all():
                return twin, dtype
        if failure:
            raise self._refusal(*_cause(convolution, failure)) from failure
        raise self._refusal("gives values that are not finite", "see what it divides by, or takes the root of")

    def check_alone(self) -> None:
        """UnfitError where more than weights, rows and edges decides: random numbers, changing state, the mode."""
        convolution, graph = self._convolution, self._graphs[0]
        before, drawn = {name: value.clone() for name, value in convolution.state_dict().items()}, _generators()
        first = self._whole(graph)
        if _generators() != drawn or not self._alike(first, self._whole(graph)):
            instead = "take one that draws none; PygLayer(…, dropout=…) drops values"
            raise self._refusal("draws random numbers, other ones under every plan", instead)
        for name, value in convolution.state_dict().items():
            if not torch.equal(value, before[name]):
                reason = f"changes its `{name}` while it computes, otherwise under every plan"
                raise self._refusal(reason, "take a norm of each row, such as torch.nn.LayerNorm")
        other = self._graphs[1]
        if not self._alike(self._whole(other), self._fresh(other.h.to(self._dtype), other.edges)):
            instead = "leave out cached=True" if self._caches else _OWN_LAYER
            raise self._refusal("keeps what it computed of the first block for all others", instead)
        convolution.eval()
        in_evaluation = self._whole(graph)
        convolution.train()
        if not self._alike(first, in_evaluation):
            raise self._refusal("computes something else in training than outside", "PygLayer(…, dropout=…)")

    def check_sight(self) -> None:
        """UnfitError where a target's row depends on more than its own row and its neighbours'."""
        for change in (change for graph in self._graphs for change in changes(graph)):
            before = self._whole(change.before)[change.targets]
            try:
                after = self._whole(change.after)
            except Exception:  # noqa: BLE001  it fails on the changed graph
                after = None
            if after is None or not self._alike(before, after[change.targets_after]):
                raise self._refusal(f"looks at {change.seen}, which a block does not show", change.instead)

    def first_right(self, forms: tuple[BlockForm, ...]) -> BlockForm:
        """The first of `forms` in which all blocks give the rows and gradients of the whole graph."""
        reasons = []
        for form in forms:
            try:
                if all(self._equal(form, graph, block) for graph in self._graphs for block in graph.blocks()):
                    return form
                reasons.append("gives other rows or gradients on a block than in the whole graph")
            except Exception as error:  # noqa: BLE001  every convolution refuses in its own way
                reasons.append(f"fails on a block of nodes without neighbours, or of few ({_first_line(error)})")
        raise self._refusal(reasons[-1], _OWN_LAYER)

    def _equal(self, form: BlockForm, graph: TrialGraph, block: Block) -> bool:
        targets = block.ids.long()
        assert block.source_ids is not None
        sources = block.source_ids.long()
        whole = self._with_gradients(graph.h, lambda h: self._convolution(h, graph.edges)[targets])
        found = self._with_gradients(graph.h, lambda h: convolve(self._convolution, form, block, h[sources]))
        pairs = zip(whole, found, strict=False)  # rows alone have no gradients
        return len(whole) == len(found) and all(self._alike(one, other) for one, other in pairs)

    def _with_gradients(self, features: Tensor, run: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Rows that `run` makes of features (N, width), and the gradients of some function of these rows."""
        h = features.to(self._dtype).requires_grad_()
        rows = run(h)
        wanted = [h, *(weight for weight in self._convolution.parameters() if weight.requires_grad)]
        if not rows.requires_grad:
            return [rows]
        directions = torch.linspace(1, 9, rows.numel(), dtype=rows.dtype).view(rows.shape).sin()
        function = (rows * directions).sum()
        return [rows.detach(), *torch.autograd.grad(function, wanted, allow_unused=True, materialize_grads=True)]

    @torch.no_grad()
    def _whole(self, graph: TrialGraph) -> Tensor:
        rows: Tensor = self._convolution(graph.h.to(self._dtype), graph.edges)
        return rows

    def _alike(self, one: Tensor, other: Tensor) -> bool:
        if one.shape != other.shape:
            return False
        scale = max(1.0, float(one.abs().max())) if one.numel() else 1.0
        return torch.allclose(one, other, rtol=0, atol=_TOLERANCES[self._dtype] * scale)

    def _refusal(self, reason: str, instead: str) -> UnfitError:
        return UnfitError(f"{self._name} {reason}", fix=instead)


def _twin(convolution: torch.nn.Module, dtype: torch.dtype, *, redraw: bool) -> torch.nn.Module:
    """A copy to try out, with weights redrawn around its own; a GCN's cached edges are left out."""
    twin = copy.deepcopy(convolution).to(dtype).train()
    if normalises_as_gcn(twin):
        twin.cached, twin._cached_edge_index = False, None  # type: ignore[assignment]  # noqa: SLF001
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in twin.parameters():
            if redraw and weight.is_floating_point():
                spread = float(weight.std()) if weight.numel() > 1 else 0.0
                scale = spread or weight.shape[-1] ** -0.5 if weight.dim() else 0.3
                weight.add_(torch.randn(weight.shape, generator=generator).to(dtype) * scale)
    return twin


def _cause(convolution: torch.nn.Module, failure: Exception) -> tuple[str, str]:
    """Reason why a convolution does not run on rows and edges, and the fix."""
    beside = list(inspect.signature(convolution.forward).parameters.values())[1:]
    edges = next((each for each in beside if each.name == "edge_index"), beside[0] if beside else None)
    beside = [each for each in beside if each is not edges and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    needed = [f"`{each.name}`" for each in beside if each.default is each.empty]
    if needed:
        fix = "take one that does without, or wrap it in a module that supplies it"
        return f"needs {', '.join(needed)} beside rows and edges", fix
    others = f"; it also takes {', '.join(each.name for each in beside)}" if beside else ""
    return f"does not run on rows and edges alone ({_first_line(failure)}{others})", "take one that does"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _generators() -> tuple[object, ...]:
    """States of the random number generators that modules commonly draw from."""
    return bytes(torch.get_rng_state().numpy()), random.getstate()
