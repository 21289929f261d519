"""Graph folders, and the files that they are made of."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from picluster.cli.show.dataset_tables import show_details
from picluster.controller.planning.planner import make_plan
from picluster.controller.planning.recipe import make_spec
from picluster.controller.planning.request import LaunchRequest
from picluster.graph.catalogue import graph_details, list_graphs
from picluster.graph.folder import DTYPES, META_FILE, GraphFolder, array_path
from picluster.graph.own.importing import import_graph
from picluster.graph.own.tables.reading import read_own
from picluster.graph.public.linqs import write_linqs
from tests.fuzz.inputs import FUZZ, altered, as_text, damaged, refusal
from tests.unit.controller.made import a_model, facts_of
from tests.unit.graph.small_graph import write_small_graph

PAPERS = [f"p{number}\t{number % 2}\t{number % 3}\t{'Rules' if number % 2 else 'Theory'}" for number in range(1100)]
CITES = [f"p{number}\tp{number * 7 % 1100}" for number in range(1100)]
LINQS = {"cora.content": "\n".join(PAPERS).encode() + b"\n", "cora.cites": "\n".join(CITES).encode() + b"\n"}
TABLES: list[dict[str, bytes]] = [
    {
        "edges.csv": b"source,target\n0,1\n1,2\n2,3\n3,0\n",
        "features.csv": b"a,b\n0.5,1\n1.5,2\n2.5,3\n3.5,4\n",
        "labels.csv": b"label\ncat\ndog\ncat\ndog\n",
    },
    {
        "edges.csv": b"# a graph\n17\t4\n4\t9\n9\t17\n300\t4\n",
        "features.csv": b"id\tx\ty\n4\t1e-3\t0\n9\t2\t1\n17\t3\t0\n300\t-4.25\t1\n",
        "labels.csv": b"id\tlabel\n4\t0\n9\t1\n17\t1\n300\t\n",
    },
    {
        "edges.csv": b'"from";"to"\r\n"a b";"c"\r\n"c";"d\xc3\xa9"\r\n"d\xc3\xa9";"a b"\r\n"e";"c"\r\n',
        "features.csv": b'"node";"x"\r\n"a b";1,5\r\n"c";2,5\r\n"d\xc3\xa9";3\r\n"e";4\r\n',
        "labels.csv": b'"node";"label"\r\n"a b";"one, two"\r\n"c";"three"\r\n"d\xc3\xa9";"three"\r\n"e";"one, two"\r\n',
    },
]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs") / "mine"
    write_small_graph(folder)
    return folder


def use(folder: Path) -> None:
    """As `dataset show` and a launch do."""
    show_details(graph_details(folder.parent, folder.name))
    meta = GraphFolder.open(folder).meta
    spec = make_spec(LaunchRequest(fanout="2,2"), meta, a_model(), Path("sage.py"))
    make_plan(facts_of("a", "b"), spec, a_model(), meta, strategy="layer-split", engine="gloo", layers_per_node=None)


@FUZZ
@given(data=st.data())
def test_a_meta_file_is_understood_or_refused_in_words(graph: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = (graph / META_FILE).read_bytes()
    text = data.draw(st.one_of(altered([msgspec.json.decode(whole)]).map(as_text), damaged([whole])))
    folder = tmp_path / graph.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(graph, folder)
    (folder / META_FILE).write_bytes(text)
    refusal(lambda: use(folder))
    list_graphs(tmp_path)


@FUZZ
@given(data=st.data(), name=st.sampled_from(sorted(DTYPES)), beginning=st.booleans())
def test_a_damaged_array_is_opened_or_refused_in_words(
    graph: Path, tmp_path: Path, data: st.DataObject, name: str, *, beginning: bool
) -> None:
    whole = array_path(graph, name).read_bytes()
    head, rest = (whole[:128], whole[128:]) if beginning else (whole, b"")
    text = (data.draw(damaged([head])) + rest)[: len(whole)].ljust(len(whole), b"\0")  # of the same size
    folder = tmp_path / graph.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(graph, folder)
    array_path(folder, name).write_bytes(text)
    refusal(lambda: GraphFolder.open(folder).array(name))
    refusal(lambda: use(folder))


@FUZZ
@given(data=st.data(), name=st.sampled_from(sorted(LINQS)))
def test_files_of_linqs_are_read_or_refused_in_words(tmp_path: Path, data: st.DataObject, name: str) -> None:
    folder = tmp_path / "cora"
    folder.mkdir(exist_ok=True)
    for file, text in LINQS.items():
        (folder / file).write_bytes(text)
    (folder / name).write_bytes(data.draw(damaged([LINQS[name]])))
    refusal(
        lambda: write_linqs(tmp_path / "graphs" / "x", input_folder=tmp_path, feature_dtype="float32", split_seed=0)
    )


@FUZZ
@given(data=st.data(), tables=st.sampled_from(TABLES))
def test_tables_of_ones_own_are_read_or_refused_in_words(
    tmp_path: Path, data: st.DataObject, tables: dict[str, bytes]
) -> None:
    which = data.draw(st.sampled_from(sorted(tables)))
    for name, text in tables.items():
        (tmp_path / name).write_bytes(data.draw(damaged([text])) if name == which else text)
    edges, features, labels = (tmp_path / f"{role}.csv" for role in ("edges", "features", "labels"))
    refusal(lambda: import_graph("mine", read_own(edges, features, labels, None), graphs_folder=tmp_path, force=True))
