"""One run to be made, and what each node is told of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from picluster.controller.nodes.machine import Parcel, Places
from picluster.controller.planning.request import Every
from picluster.controller.record.leader import this_controller
from picluster.schema.job import Claim, Job
from picluster.schema.state import Beginning

if TYPE_CHECKING:
    from picluster.controller.nodes.machine import Machine
    from picluster.controller.record.run_folder import RunFolder
    from picluster.schema.facts import NodeFacts
    from picluster.schema.plan import Plan
    from picluster.schema.spec import Spec


@dataclass(frozen=True)
class Prediction:
    """From trained weights to class probabilities."""

    weights: Path
    """An exported model."""
    probabilities: Path
    """File for the npy array (N, classes) in fp32."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One run to be made."""

    spec: Spec
    plan: Plan
    model_file: Path
    graph_folder: Path
    checksums: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the graph folder's files, by name."""
    transports: Mapping[str, Machine]
    grace_seconds: float
    folder: RunFolder
    facts: Mapping[str, NodeFacts] = field(default_factory=dict)
    """Facts of the nodes of the inventory, whether they take part or not."""
    prediction: Prediction | None = None
    """Predict all nodes instead of training."""
    attempt: int = 1
    """Counts up when a run is taken up again; its events carry it."""
    begin: Beginning = field(default_factory=Beginning)
    """The position at which it is taken up, and on this machine the files of all layers."""
    every: Every = field(default_factory=Every)
    """Interval between two training states that the workers give."""
    trace: bool = False
    """Have the workers tell every slice of work and every message."""
    epoch_steps: int = 1
    """Steps of an epoch."""

    def parcel(self, node: str) -> Parcel:
        """Files that a node needs, as they lie on this machine."""
        begin = self._begin_of(node)
        layer_files = tuple(Path(file) for file in begin.layer_files)
        return Parcel(
            run=self.folder.name,
            node=node,
            model_file=self.model_file,
            graph_folder=self.graph_folder,
            arrays=self.plan.arrays_of(node),
            output_folder=self.folder.node_folder(node),
            weights_file=self.prediction.weights if self.prediction else None,
            layer_files=layer_files,
            checksums={
                **self.checksums,
                **dict(zip((file.name for file in layer_files), begin.checksums, strict=False)),
            },
        )

    def claim(self, node: str) -> Claim:
        """Claim that takes a node for the run."""
        return Claim(
            run=self.folder.name,
            node=node,
            controller=this_controller(),
            is_exclusive=self.transports[node].is_exclusive,
            grace_seconds=self.grace_seconds,
            role=self.plan.role_of(node),
        )

    def job(self, node: str, places: Places) -> Job:
        """Job of a node, when its parcel has come to these places."""
        transport = self.transports[node]
        return Job(
            node=node,
            spec=self.spec,
            plan=self.plan,
            model_file=places.model_file,
            graph_folder=places.graph_folder,
            output_folder=places.output_folder,
            address=transport.address,
            interface=transport.interface,
            weights_file=places.weights_file,
            model_sha256=hashlib.sha256(self.model_file.read_bytes()).hexdigest(),
            begin=msgspec.structs.replace(self._begin_of(node), layer_files=places.layer_files),
            state_steps=self.every.steps,
            trace=self.trace,
            meter=transport.meter,
        )

    def _begin_of(self, node: str) -> Beginning:
        return self.begin.of_layers(self.plan.layers_of(node))
