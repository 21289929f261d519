"""Writing and reading of graph folders."""

import gc
import json
import re
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from picluster.errors import DataError
from picluster.graph.folder import DTYPES, OPTIONAL_DTYPES, GraphFolder
from picluster.graph.writer import GraphWriter
from tests.unit.graph.damage import refusals
from tests.unit.graph.small_graph import ARRAYS, write_small_graph


@pytest.fixture
def small(tmp_path: Path) -> Path:
    write_small_graph(tmp_path / "small")
    return tmp_path / "small"


def test_what_was_written_is_read_back_in_value_and_dtype(small: Path) -> None:
    folder = GraphFolder.open(small)
    folder.verify()
    for name, array in ARRAYS.items():
        found = folder.neighbour_ids()[:] if name == "indices" else folder.array(name)
        np.testing.assert_array_equal(found, array, strict=True)


def test_ids_of_neighbours_take_as_many_bits_as_the_nodes_need(small: Path) -> None:
    meta = GraphFolder.open(small).meta
    assert (meta.nodes, meta.id_bits, meta.edges, meta.files["indices"].shape) == (4, 2, 4, (3,))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells how a mapping is read")
@pytest.mark.parametrize("read_ahead", [True, False])
def test_the_kernel_reads_ahead_only_where_it_may(small: Path, read_ahead: bool) -> None:
    array = GraphFolder.open(small).array("features", read_ahead=read_ahead)
    np.testing.assert_array_equal(array, ARRAYS["features"], strict=True)
    mappings = Path("/proc/self/smaps").read_text().split(str(small / "features.npy"))[1:]
    flags = [re.search(r"VmFlags: (.*)", mapping) for mapping in mappings]
    assert flags
    assert all(found is not None and ("rr" in found[1].split()) == (not read_ahead) for found in flags)


def test_roles_may_open_arrays_at_the_same_time(small: Path) -> None:
    """Python 3.11 counts the depth of its parser for all threads together, and numpy parses headers by it."""
    folder, errors = GraphFolder.open(small), list[BaseException]()

    def opening(depth: int) -> None:
        if depth:
            opening(depth - 1)
            return
        try:
            for _ in range(500):
                folder.array("indptr")
        except Exception as error:  # noqa: BLE001  it is raised where it can be seen
            errors.append(error)

    def switch(*_: object) -> None:
        time.sleep(0)

    limits, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(7, 2, 2)
    sys.setswitchinterval(1e-6)
    gc.callbacks.append(switch)
    try:
        threads = [threading.Thread(target=opening, args=(5 * depth,)) for depth in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.callbacks.remove(switch)
        sys.setswitchinterval(interval)
        gc.set_threshold(*limits)
    assert errors == []


@pytest.mark.parametrize("name", ["meta.json", "indptr.npy"])
def test_any_damaged_byte_is_told_or_does_no_harm(small: Path, name: str) -> None:
    def read() -> None:
        folder = GraphFolder.open(small)
        folder.array("indptr")
        folder.verify()

    assert refusals(small / name, read, places=200) > 50


def test_meta_counts_what_the_arrays_hold(small: Path) -> None:
    meta = GraphFolder.open(small).meta
    assert (meta.name, meta.nodes, meta.edges, meta.features, meta.classes) == ("small", 4, 4, 3, 2)
    assert meta.splits == {"train": 2, "validation": 1, "test": 0}


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_features_survive_the_round_trip(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    dtype = data.draw(st.sampled_from(["float16", "float32"]))
    features = data.draw(arrays.arrays(dtype, arrays.array_shapes(min_dims=2, max_dims=2)))
    path = tmp_path_factory.mktemp("graphs") / "any"
    with GraphWriter(path, source="drawn", classes=2) as writer:
        for name, array in (ARRAYS | {"features": features}).items():
            writer.write(name, array)
    np.testing.assert_array_equal(GraphFolder.open(path).array("features"), features, strict=True)


def test_features_in_int8_are_read_as_rows_of_the_width_that_was_written(tmp_path: Path) -> None:
    rows = np.array([[0.5, -1, 0.25], [0, 0, 0], [1e4, 3, -2e4], [127, 1, 63]], np.float32)
    with GraphWriter(tmp_path / "packed", source="drawn", classes=2) as writer:
        for name, array in ARRAYS.items():
            if name != "features":
                writer.write(name, array)
        writer.write_features(rows, "int8")
    folder = GraphFolder.open(tmp_path / "packed")
    folder.verify()
    assert (folder.meta.features, folder.meta.files["features"].dtype) == (3, "int8")
    np.testing.assert_allclose(folder.feature_rows(), rows, atol=2e4 / 254)
    np.testing.assert_array_equal(folder.feature_rows(slice(3, 4)), rows[3:])


NAMES = ["", "a\nb", 'größe ,"', "\udcff" * 300]


def _write_named(path: Path, names: list[str]) -> None:
    with GraphWriter(path, source="named", classes=2, class_names=['cat, "dog"\n', ""]) as writer:
        writer.write_node_names(names)
        for name, array in ARRAYS.items():
            writer.write(name, array)


def test_names_of_nodes_and_classes_come_back_letter_by_letter(tmp_path: Path) -> None:
    _write_named(tmp_path / "named", NAMES)
    folder = GraphFolder.open(tmp_path / "named")
    names = folder.node_names()
    assert names is not None
    assert list(names) == NAMES
    assert (names[-1], names[1:3]) == (NAMES[-1], NAMES[1:3])
    assert folder.meta.class_names == ('cat, "dog"\n', "")


@pytest.mark.parametrize("name", OPTIONAL_DTYPES)
def test_a_harmed_file_of_names_is_caught_but_only_where_names_are_wanted(tmp_path: Path, name: str) -> None:
    _write_named(tmp_path / "named", NAMES)
    file = tmp_path / "named" / f"{name}.npy"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match=f"{name}.npy is damaged"):
        GraphFolder.open(file.parent).verify()
    file.unlink()
    with pytest.raises(DataError, match=f"{name}.npy is missing"):
        GraphFolder.open(file.parent)
    GraphFolder.open(file.parent, ["indptr", "features"])  # as a node does, which is not sent names


def test_a_folder_from_before_there_were_names_is_read(small: Path) -> None:
    meta = json.loads((small / "meta.json").read_text())
    del meta["class_names"]
    (small / "meta.json").write_text(json.dumps(meta))
    folder = GraphFolder.open(small)
    folder.verify()
    assert folder.node_names() is None
    assert folder.meta.class_names == ()


def test_writing_to_an_array_never_reaches_the_disk(small: Path) -> None:
    folder = GraphFolder.open(small)
    folder.array("features")[:] = 0
    folder.verify()


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broadcast"), GraphWriter(tmp_path / "new", source="", classes=2) as writer:
        writer.create("labels", (4,), "int16")[:] = np.zeros(5)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_lacks_an_array_is_not_put_in_place(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks labels"):
        write_small_graph(tmp_path / "new", leave_out="labels")
    assert list(tmp_path.iterdir()) == []


def test_a_complete_folder_survives_a_failed_replacement(small: Path) -> None:
    with pytest.raises(ValueError, match="lacks features"):
        write_small_graph(small, leave_out="features")
    GraphFolder.open(small).verify()


def test_a_complete_folder_is_replaced_and_open_arrays_stay_as_they_were(small: Path) -> None:
    before = GraphFolder.open(small).array("features")
    with GraphWriter(small, source="again", classes=2) as writer:
        for name, array in (ARRAYS | {"features": ARRAYS["features"] + 1}).items():
            writer.write(name, array)
    np.testing.assert_array_equal(before, ARRAYS["features"])
    np.testing.assert_array_equal(GraphFolder.open(small).array("features"), ARRAYS["features"] + 1)
    assert [path.name for path in small.parent.iterdir()] == ["small"]


def test_a_dtype_that_readers_do_not_expect_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="int32"), GraphWriter(tmp_path / "new", source="", classes=2) as writer:
        writer.write("indices", np.zeros(3, np.int64))


def test_an_array_larger_than_the_disk_is_refused_with_the_numbers(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match=r"features.npy: 2,000,000,000\.0 MB needed, .* MB free"),
        GraphWriter(tmp_path / "new", source="", classes=2) as writer,
    ):
        writer.create("features", (10**12, 1000), "float16")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_system_refuses_to_grow_is_a_data_error(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(DataError, match="no space"), GraphWriter(tmp_path / "new", source="", classes=2) as writer:
            writer.create("features", (1000, 10), "float32")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", DTYPES)
def test_a_single_flipped_bit_is_caught_by_verify(small: Path, name: str) -> None:
    file = small / f"{name}.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=f"{name}.npy is damaged"):
        GraphFolder.open(small).verify()


@pytest.mark.parametrize("edges", [3, 7])
def test_a_number_of_edges_that_the_structure_does_not_have_is_refused(small: Path, edges: int) -> None:
    """Packed ids of 4 and of 7 edges take one word each, so sizes do not tell."""
    meta = json.loads((small / "meta.json").read_text())
    (small / "meta.json").write_text(json.dumps({**meta, "edges": edges}))
    with pytest.raises(DataError, match=f"the one counts 4 edges, the other {edges}"):
        GraphFolder.open(small)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize(("harm", "message"), [(_cut, "bytes instead of"), (Path.unlink, "is missing")])
@pytest.mark.parametrize("name", DTYPES)
def test_a_truncated_or_missing_file_is_caught_by_open(small: Path, name: str, harm: Any, message: str) -> None:
    harm(small / f"{name}.npy")
    with pytest.raises(DataError, match=rf"{name}\.npy .*{message}|{name}\.npy {message}") as caught:
        GraphFolder.open(small)
    assert caught.value.fix == "import it again, from its files: picluster dataset import small --force"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "schema version 99"),
        ({"schema_version": 1}, "schema version 1; this picluster reads 2"),  # ids were plain int32
        ({"id_bits": 7}, "indices is"),
        ({"id_bits": 0}, "no nodes, features, classes or bits"),
        ({"colour": "red"}, "colour"),
        ({"files": {}}, "indptr"),
    ],
)
def test_meta_that_does_not_fit_is_refused(small: Path, change: dict[str, Any], message: str) -> None:
    file = small / "meta.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(DataError, match=message):
        GraphFolder.open(small)


def test_meta_that_is_no_json_is_refused(small: Path) -> None:
    (small / "meta.json").write_text('{"schema_version": 1,')
    with pytest.raises(DataError, match=r"meta\.json cannot be understood"):
        GraphFolder.open(small)


def test_a_folder_without_meta_is_not_a_graph_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a graph folder"):
        GraphFolder.open(tmp_path)


def test_an_array_in_another_shape_than_meta_says_is_refused(small: Path) -> None:
    np.save(small / "features.npy", ARRAYS["features"].reshape(3, 4))
    with pytest.raises(DataError, match=r"holds float16\(3, 4\)"):
        GraphFolder.open(small).array("features")


def test_reading_and_preparing_import_neither_torch_nor_pyg() -> None:
    code = "import sys, picluster.graph.public.prepare; print([m for m in sys.modules if m.startswith('torch')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout.strip() == "[]"
