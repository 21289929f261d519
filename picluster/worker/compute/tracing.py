"""A small graph run through a model: names and widths of what each layer gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from picluster.errors import InputError
from picluster.nn import Block, Rows, source_of
from picluster.randomness import Purpose, key
from picluster.rounding import SCALE_BYTES
from picluster.worker.compute.graph_layer import GraphLayer, Part
from picluster.worker.compute.model_fault import TooLong, definition_of, is_misfit, made_at, place_of, refusal

Half = Literal["aggregate", "transform"]


def trace(
    layers: Sequence[GraphLayer], features: int, *, in_int8: bool = False
) -> list[tuple[dict[str, int], dict[str, int]]]:
    """Find names and widths of what each layer's `aggregate` and `transform` give; InputError where a layer fails.

    `in_int8`: features are stored so, which not every layer can read.
    """
    ids = torch.arange(2, dtype=torch.int32)
    table = torch.zeros(3, features + SCALE_BYTES, dtype=torch.int8) if in_int8 else torch.zeros(3, features)
    rows, widths = Rows({"h": source_of(table)}, ids), []  # a table of more nodes than are targets
    for layer in layers:
        block = Block(
            ids=ids,
            counts=torch.ones(2, dtype=torch.int32),
            neighbours=ids.flip(0),
            source_ids=None if layer.number == 1 else ids,
            graph_degrees=torch.ones(3, dtype=torch.int32),
        )
        with torch.no_grad():
            if layer.before:
                block = block.gathered()
                assert block.source_ids is not None
                rows = Rows({"h": rows["h"].index_select(0, block.source_ids)}, block.source_ids)
                for part in layer.before:
                    rows = run_half(part, "transform", rows)
            aggregated = rows = run_half(layer.main, "aggregate", rows, block)
            for part in (layer.main, *layer.after):
                rows = run_half(part, "transform", rows)
        widths.append((aggregated.widths(), rows.widths()))
    return widths


def run_half(part: Part, half: Half, rows: Rows, block: Block | None = None, *, training: bool = True) -> Rows:
    """Run one half of one layer; InputError where it fails, or gives something else than rows of the right nodes."""
    try:
        dropout_key = key(0, Purpose.DROPOUT, part.place) if training else None
        found: object = part.transform(rows, dropout_key) if block is None else part.aggregate(block, rows, dropout_key)
    except (Exception, SystemExit, TooLong) as error:
        does = "cannot take what comes before it" if is_misfit(error) else f"fails in `{half}`"
        widths = ", ".join(f"`{name}` of width {tensor.shape[-1]}" for name, tensor in rows.tensors.items())
        made = "" if place_of(error)[0] else f" ({made_at(part.layer)})"
        raise refusal(error, f"{name_of(part)} {does}{made}", given=rows.tensors.keys(), widths=widths) from error
    what = f"{name_of(part)} fails in `{half}` ({definition_of(part.layer, half) or made_at(part.layer)})"
    ids = rows.ids if block is None else block.ids
    if not isinstance(found, Rows) or not found.tensors:
        kind = "no tensor" if isinstance(found, Rows) else type(found).__name__
        fix = "return rows.having(h=…); in aggregate block.rows(h=…)"
        raise InputError(f"{what}: it gives {kind}, not rows", fix=fix)
    for name, tensor in found.tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise InputError(f"{what}: its rows `{name}` are {type(tensor).__name__}", fix="give a tensor")
        if tensor.dtype != torch.float32 or tensor.dim() != 2 or len(tensor) != len(ids):  # noqa: PLR2004
            is_ = f"{tuple(tensor.shape)} in {str(tensor.dtype).removeprefix('torch.')} for {len(ids)} targets"
            message = f"{what}: its rows `{name}` are not (targets, width) in float32, but {is_}"
            raise InputError(message, fix="block.targets(h) gives the targets' rows; .float() makes float32 of others")
    if not torch.equal(found.ids, ids):
        fix = "return rows.having(…); in aggregate block.rows(…)"
        raise InputError(f"{what}: its rows are of other nodes", fix=fix)
    return found


def name_of(part: Part) -> str:
    """Name a layer in messages: its place in the model file's list, and its class."""
    return f"layer {part.place} ({part.layer.title})"
