"""Embeddings of a graph's nodes, which pre-training learns and all splits of the graph share."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

import picluster
from picluster.controller.record.record_files import read_record, write_record, write_whole
from picluster.controller.record.weights import read_weights
from picluster.errors import DataError
from picluster.graph.folder import GraphFolder
from picluster.graph.lock import maker_lock
from picluster.graph.pretraining import scaled_rows, write_embedded, write_pairs
from picluster.schema.record import Record
from picluster.wording import counted

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from picluster.controller.record.run_folder import RunFolder
    from picluster.schema.model import Pretraining
    from picluster.schema.spec import OptionValue

SEED = 0
"""Seed of every pre-training: that of a run is for the training which follows."""
_SEEN_ARRAYS = ("indptr", "indices", "features")
"""Arrays that pre-training looks at: neither labels nor splits."""
_KEY_DIGITS = 8


class Learnt(Record, frozen=True, kw_only=True):
    """Origin of a stored embedding, which lies beside it."""

    run: str
    """Name of the run."""


@dataclass(frozen=True)
class Embedding:
    """Embedding of the nodes of one graph, by one pre-training; learnt already, or not yet."""

    graph: GraphFolder
    pretraining: Pretraining
    model_file: Path
    """File of the model that learns it."""

    @property
    def options(self) -> dict[str, OptionValue]:
        """Options for the `layers` of that model."""
        return {**self.pretraining.options, "nodes": self.graph.meta.nodes}

    @property
    def run(self) -> str | None:
        """Name of the run that learnt it; None before."""
        return read_record(self._origin, Learnt).run if self._file.exists() and self._origin.exists() else None

    def pairs(self) -> GraphFolder:
        """The graph of pairs to learn it from; made where it is not there yet."""
        name = self.graph.meta.name.partition("-split")[0]  # pairs are the same for all splits
        path = self._graphs / f"{name}-pairs-{self._key(self.pretraining.pairs)}"
        with maker_lock(path):
            if not path.exists():
                write_pairs(path, self.graph, count=self.pretraining.pairs, seed=SEED)
        return GraphFolder.open(path)

    def take(self, folder: RunFolder) -> None:
        """Store what a run has learnt. DataError where it has no weight `embedding` with a row for each node."""
        weights = {name.removeprefix("convs.0."): weight for name, weight in read_weights(folder).items()}
        table = weights.get("embedding.weight")
        if table is None or len(table) != self.graph.meta.nodes:
            what = (
                f"{self.model_file} has no `embedding` with a row for each of {counted(self.graph.meta.nodes, 'node')}"
            )
            raise DataError(what, fix="see models/node_pairs.py")
        if "dense.weight" in weights:
            seen = scaled_rows(self.graph.array("features")).astype(np.float32)
            dense = np.maximum(seen @ weights["dense.weight"].T + weights["dense.bias"], 0)
            table = np.concatenate([table, dense], axis=1)
        content = io.BytesIO()
        np.save(content, table.astype(np.float32))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._origin.unlink(missing_ok=True)
        write_whole(self._file, content.getvalue())
        write_record(self._origin, Learnt(run=folder.name))

    def graph_with_it(self) -> tuple[GraphFolder, int]:
        """The graph for the training that follows, and how many of its features are the embedding's."""
        table: NDArray[Any] = np.load(self._file)
        content = hashlib.sha256(table.tobytes()).hexdigest()[:_KEY_DIGITS]
        path = self._graphs / f"{self.graph.meta.name}-embedded-{content}"
        with maker_lock(path):
            if not path.exists():
                write_embedded(path, self.graph, table, neighbours=self.pretraining.neighbours)
        return GraphFolder.open(path), table.shape[1]

    @property
    def _graphs(self) -> Path:
        return self.graph.path.parent

    @property
    def _file(self) -> Path:
        words = (picluster.__version__, self.model_file.read_text(), msgspec.json.encode(self.pretraining).decode())
        return self._graphs / ".embeddings" / f"{self._key(*words)}.npy"

    @property
    def _origin(self) -> Path:
        return self._file.with_suffix(".json")

    def _key(self, *words: object) -> str:
        """Fingerprint of the data that pre-training sees, and of these words."""
        files = self.graph.meta.files
        text = "\0".join([*(files[name].sha256 for name in _SEEN_ARRAYS), *map(str, words)])
        return hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]
