"""Graph folders that several tests read."""

import os
from pathlib import Path

import pytest

from picluster.graph.folder import GraphFolder
from picluster.graph.public.linqs import find_linqs
from picluster.graph.public.prepare import prepare
from picluster.graph.reddit_like import write_reddit_like

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def reddit_like(tmp_path_factory: pytest.TempPathFactory) -> GraphFolder:
    """At scale 0.03 (6,989 nodes): the smallest at which the classes have room for the intended homophily."""
    path = tmp_path_factory.mktemp("graphs") / "reddit-like-0.03"
    write_reddit_like(path, scale=0.03, seed=0, feature_dtype="float16")
    return GraphFolder.open(path)


@pytest.fixture(scope="session")
def cora_input() -> Path:
    """The folder with the raw files of Cora; skips where they are not."""
    folder = Path(os.environ.get("PICLUSTER_INPUT") or REPOSITORY / "input")
    if not (folder / "planetoid" / "ind.cora.x").is_file():
        pytest.skip(f"no raw files of Cora in {folder}/planetoid: set PICLUSTER_INPUT")
    pytest.importorskip("torch_geometric", reason="PyG reads the raw files", exc_type=ImportError)
    return folder


@pytest.fixture(scope="session")
def linqs_input() -> Path:
    """The folder with the LINQS files of Cora; skips where they are not."""
    folder = Path(os.environ.get("PICLUSTER_INPUT") or REPOSITORY / "input")
    if find_linqs(folder) is None:
        pytest.skip(f"no cora.content and cora.cites in {folder}/cora: set PICLUSTER_INPUT")
    return folder


@pytest.fixture(scope="session")
def cora(cora_input: Path, tmp_path_factory: pytest.TempPathFactory) -> GraphFolder:
    folder = tmp_path_factory.mktemp("graphs")
    return prepare("cora", graphs_folder=folder, input_folder=cora_input, feature_dtype="float32")
