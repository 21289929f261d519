"""The plan: the nodes that sample and the nodes that hold each layer. It is made first, and then executed as it is."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from picluster.errors import InputError, MissingError
from picluster.schema.record import Record

Strategy = Literal["single", "data-parallel", "mirrored", "layer-split"]
EngineName = Literal["sockets", "gloo", "rpc", "mpi", "ray"]
Cut = Literal["aggregated", "rows"]

DEFAULT_ENGINE: EngineName = "sockets"

ENGINE_PACKAGES: dict[EngineName, tuple[str, ...]] = {
    "sockets": (),
    "gloo": (),
    "rpc": (),
    "mpi": ("mpi4py",),
    "ray": ("ray",),
}
"""Packages that an engine needs besides torch."""


def missing_engine(engine: EngineName, lacking: Sequence[str]) -> MissingError:
    """The error of a node that lacks packages or programs which an engine needs."""
    what = f"the {engine} engine needs {' and '.join(lacking)}, which this node lacks"
    on_pis = f"picluster_engines: [{engine}] in the inventory, then picluster provision"
    return MissingError(what, fix=f"on this machine: make setup EXTRAS={engine}; on Pis: {on_pis}")


class StagePlan(Record, frozen=True, kw_only=True):
    """A contiguous slice of layers, held by one or more nodes."""

    layers: tuple[int, ...]
    """Layers counted from 1 (the one that reads the features), ascending."""
    nodes: tuple[str, ...]
    """Names of the replicas; micro-batch m goes to replica m mod their number."""
    receives: Cut = "aggregated"
    """Rows that cross the cut before it: aggregated by the stage before, or the full rows of all sources."""


class ExpectedMemory(Record, frozen=True, kw_only=True):
    """Memory that a node of a plan is expected to take at most."""

    anonymous_bytes: int
    """The part that cannot be dropped."""
    mapped_bytes: int
    """Pages of the files that it reads: its part of the graph, and programs. They can be dropped and read again."""
    limit_bytes: int | None
    """Memory that the node said it has; None where it is not known."""


class Plan(Record, frozen=True, kw_only=True):
    """The placement of one spec on named nodes."""

    schema_version: int = 1
    strategy: Strategy
    engine: EngineName
    """Way in which tensors travel."""
    sampler: tuple[str, ...]
    """Nodes that sample; micro-batch m is sampled by number m mod their number."""
    stages: tuple[StagePlan, ...]
    cores: dict[str, int] = msgspec.field(default_factory=dict)
    """Cores on which each node computes micro-batches side by side; a node that is not named here uses one."""
    memory: dict[str, ExpectedMemory] = msgspec.field(default_factory=dict)
    """Memory that each node is expected to take; empty in plans of earlier versions."""
    idle: tuple[str, ...] = ()
    """Nodes of the inventory that this plan does not start."""
    notes: tuple[str, ...] = ()
    """Remarks on the placement for a person."""

    def __post_init__(self) -> None:
        layers = [layer for stage in self.stages for layer in stage.layers]
        if not layers or layers != list(range(1, len(layers) + 1)):
            message = f"a plan's stages must hold layers 1, 2, 3 … in order, each once; this one has {layers}"
            raise InputError(message, fix="begin with another: picluster launch --dry-run > plan.json")
        if not all(stage.nodes and stage.layers for stage in self.stages) or not self.sampler:
            message = "every stage of a plan needs a node and a layer, and somebody must sample"
            raise InputError(message, fix="name the stage's nodes and layers, and the sampler's nodes")
        holders = [node for stage in self.stages for node in stage.nodes]
        for names, what in ((holders, "the stages"), (self.sampler, "the sampler")):
            twice = sorted(name for name, count in Counter(names).items() if count > 1)
            if twice:
                raise InputError(f"the plan names {', '.join(twice)} twice in {what}", fix="name every node once")

        if wrong := {node: cores for node, cores in self.cores.items() if cores < 1 or node not in holders}:
            what = f"the plan gives cores to {', '.join(wrong)}: each node of a stage may have 1 or more"
            raise InputError(what, fix="leave cores out: picluster finds them")

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self.stages[-1].layers[-1]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Every node that takes part, in the order of ranks: samplers first, then stage by stage."""
        names = [*self.sampler, *(node for stage in self.stages for node in stage.nodes)]
        return tuple(dict.fromkeys(names))

    def cores_of(self, node: str) -> int:
        """Cores on which the node computes."""
        return self.cores.get(node, 1)

    def rank(self, node: str) -> int:
        """The node's number in the data plane."""
        return self.nodes.index(node)

    def ranks(self, nodes: tuple[str, ...]) -> tuple[int, ...]:
        """Numbers of several nodes."""
        return tuple(self.rank(node) for node in nodes)

    def stage_of(self, node: str) -> int | None:
        """Index of the stage that the node holds; None where it only samples."""
        return next((index for index, stage in enumerate(self.stages) if node in stage.nodes), None)

    def layers_of(self, node: str) -> tuple[int, ...]:
        """Layers that the node holds; none where it only samples."""
        index = self.stage_of(node)
        return () if index is None else self.stages[index].layers

    def aggregated_by(self, index: int) -> range:
        """Numbers of the layers whose `aggregate` runs in a stage: its own, or the next one's, as the cuts are."""
        stage, following = self.stages[index], self.stages[index + 1 : index + 2]
        receives_aggregated = index > 0 and stage.receives == "aggregated"
        sends_aggregated = any(other.receives == "aggregated" for other in following)
        return range(stage.layers[0] + receives_aggregated, stage.layers[-1] + 1 + sends_aggregated)

    def stage_aggregating(self, layer: int) -> int:
        """Index of the stage in which a layer's `aggregate` runs."""
        return next(index for index in range(len(self.stages)) if layer in self.aggregated_by(index))

    def arrays_of(self, node: str) -> tuple[str, ...]:
        """Arrays of the graph folder that the node reads.

        A sampler reads the structure, the first stage the features, the last the labels; each of them the degrees and
        the splits, which are small.
        """
        index = self.stage_of(node)
        arrays = ["indptr", "train", "validation", "test"]
        arrays += ["indices"] if node in self.sampler else []
        arrays += ["features"] if index == 0 else []
        arrays += ["labels"] if index == len(self.stages) - 1 else []
        return tuple(arrays)

    def role_of(self, node: str) -> str:
        """Work of the node, in words."""
        index = self.stage_of(node)
        roles = ["sampler"] if node in self.sampler else []
        return " + ".join(roles if index is None else [*roles, f"stage {index + 1}"])
